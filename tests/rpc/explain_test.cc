#include "server/rpc/explain.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/rpc/fixture.h"
#include "tests/rpc/stream.h"

namespace treadle::test {
namespace {

using engine::Reason;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Explain : public RpcTest {
 protected:
  v1::ExplainTaskResponse Why(const std::string& id) {
    Context context;
    v1::ExplainTaskRequest request;
    request.set_task_id(id);
    v1::ExplainTaskResponse response;
    const grpc::Status status = tasks->ExplainTask(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_GT(response.reasons_size(), 0);
    if (response.reasons().empty()) response.add_reasons();
    return response;
  }
  grpc::Status Forecast(const v1::TaskSpec& spec, v1::ExplainSubmitResponse* response) {
    Context context;
    v1::ExplainSubmitRequest request;
    *request.mutable_task() = spec;
    return tasks->ExplainSubmit(&context, request, response);
  }
  void Pause(const std::string& queue) {
    Context context;
    v1::PauseQueueRequest request;
    request.set_name(queue);
    v1::PauseQueueResponse response;
    ASSERT_TRUE(queues->PauseQueue(&context, request, &response).ok());
    EXPECT_GT(response.queue().paused_at_ms(), 0);
  }
};

TEST_F(Explain, ATaskThatNobodyCanRunSaysSoAndWhatToDo) {
  const std::string id = Submit(Spec("mail")).task_id();
  v1::ExplainTaskResponse why = Why(id);
  EXPECT_EQ(why.task().task_id(), id);
  EXPECT_EQ(why.task().state(), v1::TASK_STATE_QUEUED);
  EXPECT_EQ(why.reasons(0).reason(), v1::REASON_NO_WORKER);
  EXPECT_EQ(why.reasons(0).end(), v1::REASON_END_BY_OPERATOR);
  EXPECT_GE(why.reasons(0).since_at_ms(), why.task().submitted_at_ms());
  EXPECT_EQ(why.reasons(0).text(), "no worker serves queue 'mail'");
  EXPECT_THAT(why.reasons(0).advice(), HasSubstr("start a worker"));

  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  hello.mutable_hello()->mutable_pools(0)->add_types("other");
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  why = Why(id);
  EXPECT_EQ(why.reasons(0).reason(), v1::REASON_NO_HANDLER);
  EXPECT_EQ(why.reasons(0).count(), 1);

  Pause("mail");
  why = Why(id);
  ASSERT_EQ(why.reasons_size(), 2);
  EXPECT_EQ(why.reasons(0).reason(), v1::REASON_PAUSED);
  EXPECT_THAT(why.reasons(0).advice(), HasSubstr("treadle queue resume"));
  EXPECT_EQ(why.reasons(1).reason(), v1::REASON_NO_HANDLER);
}

TEST_F(Explain, OneThatRunsAndOneThatHasEndedSayHow) {
  const std::string id = Submit(Spec("mail")).task_id();
  const v1::LeasedTask task = Lease("mail").tasks(0);
  v1::ExplainTaskResponse why = Why(id);
  EXPECT_EQ(why.reasons(0).reason(), v1::REASON_RUNS);
  EXPECT_EQ(why.reasons(0).text(), "ten-liner runs it");
  EXPECT_THAT(why.reasons(0).workers(), testing::ElementsAre("ten-liner"));

  v1::AttemptReport failed;
  failed.set_token(task.token());
  failed.set_end(v1::ATTEMPT_END_FAILED);
  failed.mutable_error()->set_type("Oops");
  failed.mutable_error()->set_message("no ink");
  failed.mutable_error()->set_permanent(true);
  Complete(failed);
  ASSERT_TRUE(Await(id).finished());
  why = Why(id);
  EXPECT_EQ(why.task().state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(why.reasons(0).reason(), v1::REASON_ENDED);
  EXPECT_EQ(why.reasons(0).since_at_ms(), why.task().finished_at_ms());
  EXPECT_EQ(why.reasons(0).text(), "it failed in attempt 1 of 3 with Oops: no ink");
}

TEST_F(Explain, TheTimeOfATaskIsDividedAmongReasons) {
  const std::string id = Submit(Spec("mail")).task_id();
  v1::ExplainTaskResponse why = Why(id);
  while (why.lost().empty()) why = Why(id);  // no millisecond has passed
  ASSERT_EQ(why.lost_size(), 1);
  EXPECT_EQ(why.lost(0).reason(), v1::REASON_NO_WORKER);

  const v1::LeasedTask task = Lease("mail").tasks(0);
  why = Why(id);
  while (why.lost_size() < 2) why = Why(id);
  v1::AttemptReport done;
  done.set_token(task.token());
  done.set_end(v1::ATTEMPT_END_SUCCEEDED);
  Complete(done);
  ASSERT_TRUE(Await(id).finished());
  why = Why(id);
  std::map<v1::Reason, int64_t> lost;
  int64_t sum_ms = 0;
  for (const v1::LostTime& one : why.lost()) {
    lost[one.reason()] = one.ms();
    sum_ms += one.ms();
  }
  EXPECT_EQ(sum_ms, why.task().finished_at_ms() - why.task().submitted_at_ms());
  EXPECT_GT(lost[v1::REASON_RUNS], 0);
  // What its queue did is not known any more.
  EXPECT_GT(lost[v1::REASON_UNSPECIFIED], 0);
  EXPECT_EQ(lost.size(), 2u);
}

TEST_F(Explain, ASubmitIsForetoldAndNotMade) {
  v1::ExplainSubmitResponse forecast;
  ASSERT_TRUE(Forecast(Spec("mail"), &forecast).ok());
  EXPECT_EQ(forecast.reasons(0).reason(), v1::REASON_NO_WORKER);

  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 1);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  // The credit comes in the same message, and is counted in the same turn.
  ASSERT_TRUE(Forecast(Spec("mail"), &forecast).ok());
  EXPECT_EQ(forecast.reasons(0).reason(), v1::REASON_NEXT) << forecast.DebugString();

  v1::TaskSpec later = Spec("mail");
  later.set_delay_ms(60'000);
  ASSERT_TRUE(Forecast(later, &forecast).ok());
  EXPECT_EQ(forecast.reasons(0).reason(), v1::REASON_DELAYED);
  EXPECT_EQ(forecast.reasons(0).end(), v1::REASON_END_BY_ITSELF);
  EXPECT_GE(forecast.reasons(0).until_at_ms() - forecast.reasons(0).since_at_ms(), 60'000);
  EXPECT_EQ(Info().unfinished_tasks(), 0);
}

TEST_F(Explain, WhatWouldBeRefusedIsRefused) {
  v1::ExplainSubmitResponse forecast;
  v1::TaskSpec bad = Spec("mail");
  bad.set_type("");
  EXPECT_EQ(Forecast(bad, &forecast).error_code(), grpc::INVALID_ARGUMENT);
  Submit(Spec("mail"));
  Context context;
  v1::UpdateQueueRequest update;
  update.set_name("mail");
  update.set_closed(true);
  v1::UpdateQueueResponse updated;
  ASSERT_TRUE(queues->UpdateQueue(&context, update, &updated).ok());
  const grpc::Status closed = Forecast(Spec("mail"), &forecast);
  EXPECT_EQ(closed.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_THAT(closed.error_message(), HasSubstr("closed"));

  Context unknown_context;
  v1::ExplainTaskRequest unknown;
  unknown.set_task_id("1-9");
  v1::ExplainTaskResponse response;
  EXPECT_EQ(tasks->ExplainTask(&unknown_context, unknown, &response).error_code(), grpc::NOT_FOUND);
}

TEST(ExplainText, EachReasonHasASentenceOfItsOwn) {
  engine::TaskView task;
  task.queue = std::make_shared<const std::string>("mail");
  task.type = std::make_shared<const std::string>("send");
  task.attempts = 2;
  task.max_attempts = 5;
  engine::FailedAttempt& failed = task.failed.emplace_back();
  failed.error.type = "Oops";
  failed.error.message = "no ink";
  const struct {
    Reason reason;
    const char* text;
  } sentences[] = {
      {Reason::kStops, "w1 was told to stop it, for its attempt's time is over"},
      {Reason::kRuns, "w1 runs it"},
      {Reason::kHolderAway, "the connection to w1, which has it, is lost"},
      {Reason::kHeld, "w1 has it and has not begun: it runs 2 others there"},
      {Reason::kNoRoom, "queue 'mail' is full, and 2 submits wait for room before it"},
      {Reason::kDelayed, "it was submitted for later"},
      {Reason::kBacksOff, "attempt 2 of 5 failed with Oops: no ink"},
      {Reason::kPurged, "queue 'mail' is being purged: it will be cancelled"},
      {Reason::kPaused, "queue 'mail' is paused"},
      {Reason::kNoWorker, "no worker serves queue 'mail'"},
      {Reason::kWorkersAway,
       "the connections of those who served queue 'mail' are lost: w1 and others"},
      {Reason::kNoHandler, "no worker of queue 'mail' runs type 'send'"},
      {Reason::kWorkersDrain,
       "all who run type 'send' take no more tasks, for they end: w1 and others"},
      {Reason::kBehind, "2 tasks of type 'send' come first"},
      {Reason::kSlotsBusy,
       "all who run type 'send' have as many tasks as they take: w1 and others"},
      {Reason::kNext, "w1 could have it at once"},
  };
  for (const auto& [reason, text] : sentences) {
    engine::ReasonView view;
    view.reason = reason;
    view.count = 2;
    view.workers = {"w1"};
    v1::TaskReason out;
    rpc::Write(view, task, &out);
    EXPECT_EQ(out.text(), text);
    EXPECT_THAT(v1::Reason_Name(out.reason()), Not(IsEmpty()));
  }
  engine::ReasonView many;
  many.reason = Reason::kBehind;
  many.count = 100'000;
  many.at_least = true;
  v1::TaskReason out;
  rpc::Write(many, task, &out);
  EXPECT_EQ(out.text(), "at least 100000 tasks of type 'send' come first");
}

}  // namespace
}  // namespace treadle::test
