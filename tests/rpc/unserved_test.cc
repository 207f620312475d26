#include <string>

#include "tests/rpc/fixture.h"
#include "tests/rpc/stream.h"

// What no worker runs: submits are told of it, and queues may fail it.

namespace treadle::test {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMinuteMs = 60'000;

class UnservedTasks : public RpcTest {
 protected:
  grpc::Status Create(const std::string& name, int64_t fail_unserved_after_ms) {
    Context context;
    v1::CreateQueueRequest request;
    request.mutable_config()->set_name(name);
    request.mutable_config()->set_fail_unserved_after_ms(fail_unserved_after_ms);
    v1::CreateQueueResponse response;
    return queues->CreateQueue(&context, request, &response);
  }
  grpc::Status Update(const std::string& name, int64_t fail_unserved_after_ms,
                      int64_t if_version = 0) {
    Context context;
    v1::UpdateQueueRequest request;
    request.set_name(name);
    request.set_fail_unserved_after_ms(fail_unserved_after_ms);
    request.set_if_version(if_version);
    v1::UpdateQueueResponse response;
    return queues->UpdateQueue(&context, request, &response);
  }
  v1::TaskReason Why(const std::string& id) {
    Context context;
    v1::ExplainTaskRequest request;
    request.set_task_id(id);
    v1::ExplainTaskResponse response;
    EXPECT_TRUE(tasks->ExplainTask(&context, request, &response).ok());
    return response.reasons_size() > 0 ? response.reasons(0) : v1::TaskReason();
  }
};

TEST_F(UnservedTasks, AreAcceptedAndTheAcknowledgementSaysSo) {
  EXPECT_TRUE(Submit(Spec("mail")).no_worker());
  Context context;
  v1::SubmitRunRequest run;
  *run.mutable_common() = Spec("mail");
  run.add_payloads("one");
  run.add_payloads("two");
  v1::SubmitRunResponse accepted;
  ASSERT_TRUE(tasks->SubmitRun(&context, run, &accepted).ok());
  ASSERT_EQ(accepted.results_size(), 2);
  for (const v1::SubmitResult& result : accepted.results()) EXPECT_TRUE(result.no_worker());
  SessionClient session(*tasks);
  session.Open();
  session.Submit(1, Spec("mail"));
  v1::SessionResponse response = session.Next();
  ASSERT_EQ(response.accepted_size(), 1);
  EXPECT_TRUE(response.accepted(0).no_worker());

  WorkerClient worker(*workers);
  worker.Write(WorkerClient::Hello("w1", "mail"));
  ASSERT_TRUE(worker.Next().has_welcome());
  EXPECT_FALSE(Submit(Spec("mail")).no_worker());
  session.Submit(2, Spec("mail"));
  response = session.Next();
  ASSERT_EQ(response.accepted_size(), 1);
  EXPECT_FALSE(response.accepted(0).no_worker());

  v1::AttachRequest drain;
  drain.set_drain(true);
  worker.Write(drain);
  Eventually([&] { return Submit(Spec("mail")).no_worker(); });
}

TEST_F(UnservedTasks, FailInTimeAndAreDeadLetters) {
  ASSERT_TRUE(Create("mail", 1'000).ok());
  const std::string id = Submit(Spec("mail", "keep me")).task_id();
  const v1::AwaitTaskResponse ended = Await(id);
  ASSERT_TRUE(ended.finished());
  EXPECT_EQ(ended.outcome().state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(ended.outcome().error().type(), "NoWorker");
  EXPECT_THAT(ended.outcome().error().message(),
              HasSubstr("no worker has run type 'noop' in queue 'mail' for 1s, since 20"));
  EXPECT_EQ(ended.outcome().attempts(), 0);
  EXPECT_EQ(GetQueue("mail").stats().dead_letters(), 1);
  EXPECT_THAT(Why(id).text(), HasSubstr("it failed with NoWorker"));
}

TEST_F(UnservedTasks, AreExplainedByWhenTheyFail) {
  ASSERT_TRUE(Create("mail", kMinuteMs).ok());
  const std::string id = Submit(Spec("mail")).task_id();
  v1::TaskReason why = Why(id);
  EXPECT_EQ(why.reason(), v1::REASON_NO_WORKER);
  EXPECT_EQ(why.end(), v1::REASON_END_BY_ITSELF);
  EXPECT_EQ(why.until_at_ms(), why.since_at_ms() + kMinuteMs);
  EXPECT_EQ(why.text(), "no worker serves queue 'mail' (it fails if nobody comes)");

  const v1::Queue queue = GetQueue("mail");
  EXPECT_EQ(queue.config().fail_unserved_after_ms(), kMinuteMs);
  EXPECT_TRUE(Update("mail", 2 * kMinuteMs, queue.version()).ok());
  EXPECT_EQ(Update("mail", 3 * kMinuteMs, queue.version()).error_code(), grpc::ABORTED);
  why = Why(id);
  EXPECT_EQ(why.until_at_ms(), why.since_at_ms() + 2 * kMinuteMs);
  EXPECT_TRUE(Update("mail", 0).ok());
  EXPECT_EQ(Why(id).end(), v1::REASON_END_BY_OPERATOR);
}

TEST_F(UnservedTasks, TheBoundHasBounds) {
  const grpc::Status status = Create("mail", 999);
  EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("config.fail_unserved_after_ms: 999 ms"));
  EXPECT_EQ(Create("mail", -1).error_code(), grpc::INVALID_ARGUMENT);
  ASSERT_TRUE(Create("mail", 0).ok());
  EXPECT_EQ(Update("mail", 999).error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(Update("mail", int64_t{367} * 86'400'000).error_code(), grpc::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace treadle::test
