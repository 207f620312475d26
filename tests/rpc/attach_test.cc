#include <memory>
#include <string>
#include <vector>

#include "proto/support/limits.h"
#include "tests/rpc/stream.h"

namespace treadle::test {
namespace {

using ::testing::HasSubstr;

class Attach : public RpcTest {
 protected:
  v1::ListWorkersResponse ListWorkers(const v1::ListWorkersRequest& request = {}) {
    Context context;
    v1::ListWorkersResponse response;
    EXPECT_TRUE(admin->ListWorkers(&context, request, &response).ok());
    return response;
  }
};

TEST_F(Attach, AWorkerGetsTasksForItsCreditAndReportsThem) {
  for (int i = 0; i < 3; ++i) Submit(Spec("mail", std::to_string(i)));
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 2);
  worker.Write(hello);
  const v1::AttachResponse first = worker.Next();
  ASSERT_TRUE(first.has_welcome());
  EXPECT_EQ(first.welcome().lease_ms(), 15'000);
  EXPECT_EQ(first.welcome().heartbeat_ms(), 3'000);
  EXPECT_EQ(first.welcome().idle_heartbeat_ms(), 45'000);

  const std::vector<v1::LeasedTask> given = WorkerClient::TasksOf(worker.Next());
  ASSERT_EQ(given.size(), 2u);
  EXPECT_EQ(given[0].payload(), "0");
  EXPECT_EQ(given[1].payload(), "1");
  v1::AttachRequest report;
  report.set_report_sequence(1);
  for (const v1::LeasedTask& task : given) {
    report.add_started_tokens(task.token());
    *report.add_reports() = Succeeded(task, "done " + task.payload());
  }
  WorkerClient::AddCredit(report, 1);
  worker.Write(report);
  uint64_t handled = 0;
  int more = 0;
  while (handled == 0 || more == 0) {
    const v1::AttachResponse response = worker.Next();
    ASSERT_GT(response.ByteSizeLong(), 0u);
    EXPECT_EQ(response.refused_reports_size(), 0);
    if (response.handled_report_sequence() != 0) handled = response.handled_report_sequence();
    more += static_cast<int>(WorkerClient::TasksOf(response).size());
  }
  EXPECT_EQ(handled, 1u);
  EXPECT_EQ(more, 1);
  EXPECT_EQ(Await(given[0].task_id()).outcome().result(), "done 0");
}

TEST_F(Attach, AnAnswerThatMayWaitComesWithTheNextOneOrByItself) {
  WorkerClient worker(*workers);
  v1::AttachRequest request = WorkerClient::Hello("w1", "mail");
  constexpr int kRounds = 50;
  WorkerClient::AddCredit(request, kRounds);
  worker.Write(request);
  ASSERT_TRUE(worker.Next().has_welcome());
  uint64_t sequence = 0;
  const auto report = [&] {
    Submit(Spec("mail"));
    const v1::LeasedTask task = WorkerClient::TasksOf(worker.Next()).at(0);
    v1::AttachRequest message;
    message.set_report_sequence(++sequence);
    message.set_answer_may_wait(true);
    *message.add_reports() = Succeeded(task, "done");
    worker.Write(message);
    EXPECT_EQ(Await(task.task_id()).outcome().result(), "done");
  };
  report();
  EXPECT_EQ(worker.Next().handled_report_sequence(), sequence);

  // Unless a beat came between them.
  bool together = false;
  for (int i = 1; i < kRounds && !together; ++i) {
    report();
    v1::AttachRequest at_once;
    at_once.set_report_sequence(++sequence);
    worker.Write(at_once);
    const uint64_t handled = worker.Next().handled_report_sequence();
    together = handled == sequence;
    if (!together) {
      ASSERT_EQ(handled, sequence - 1);
      ASSERT_EQ(worker.Next().handled_report_sequence(), sequence);
    }
  }
  EXPECT_TRUE(together);
}

TEST_F(Attach, TasksThatFollowOneAnotherAndAreAlikeComeAsOneRun) {
  v1::TaskSpec other = Spec("mail", "c");
  other.set_content_type("text/plain");
  for (const char* const payload : {"a", "", "bb"}) Submit(Spec("mail", payload));
  for (int i = 0; i < 2; ++i) Submit(other);
  (*other.mutable_headers())["a"] = "1";
  Submit(other);
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 6);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  const v1::AttachResponse response = worker.Next();
  ASSERT_EQ(response.runs_size(), 3);
  EXPECT_THAT(response.runs(0).payload_sizes(), testing::ElementsAre(1, 0, 2));
  EXPECT_EQ(response.runs(0).payloads(), "abb");
  EXPECT_EQ(response.runs(0).first().payload(), "");
  EXPECT_THAT(response.runs(1).payload_sizes(), testing::ElementsAre(1, 1));
  EXPECT_EQ(response.runs(1).first().token(), response.runs(0).first().token() + 3);
  EXPECT_EQ(response.runs(1).first().content_type(), "text/plain");
  EXPECT_EQ(response.runs(2).first().headers().at("a"), "1");
}

TEST_F(Attach, ARunOfResultsEndsItsAttemptsAndWhatIsTooLargeIsRefusedAlone) {
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(Submit(Spec("mail")).task_id());
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 3);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  const uint64_t token = worker.Next().runs(0).first().token();
  v1::AttachRequest report;
  report.set_report_sequence(1);
  v1::ReportRun& run = *report.add_succeeded();
  run.set_first_token(token);
  run.set_content_type("text/plain");
  run.set_results("one" + std::string(limits::kPayloadBytesMax + 1, 'x'));
  run.add_result_sizes(3);
  run.add_result_sizes(static_cast<uint32_t>(limits::kPayloadBytesMax + 1));
  run.add_result_sizes(0);
  worker.Write(report);
  std::vector<v1::ReportResult> refused;
  uint64_t handled = 0;
  while (handled == 0) {
    const v1::AttachResponse response = worker.Next();
    ASSERT_GT(response.ByteSizeLong(), 0u);
    refused.insert(refused.end(), response.refused_reports().begin(),
                   response.refused_reports().end());
    handled = response.handled_report_sequence();
  }
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].token(), token + 1);
  EXPECT_EQ(refused[0].status().code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(refused[0].status().message(), HasSubstr("result: has 4128769"));
  EXPECT_EQ(Await(ids[0]).outcome().result(), "one");
  EXPECT_EQ(Await(ids[0]).outcome().content_type(), "text/plain");
  EXPECT_EQ(Await(ids[2]).outcome().result(), "");
  EXPECT_FALSE(Await(ids[1], 0).finished());
}

TEST_F(Attach, AStaleReportIsRefusedAndSaysSo) {
  Submit(Spec("mail"));
  const v1::LeasedTask task = Lease("mail").tasks(0);
  WorkerClient worker(*workers);
  worker.Write(WorkerClient::Hello("w1", "mail"));
  ASSERT_TRUE(worker.Next().has_welcome());
  v1::AttachRequest report;
  report.set_report_sequence(1);
  *report.add_reports() = Succeeded(task, "x");
  report.mutable_reports(0)->set_token(task.token() + 1'000);
  worker.Write(report);
  v1::ReportResult refused;
  uint64_t handled = 0;
  while (handled == 0) {
    const v1::AttachResponse response = worker.Next();
    ASSERT_GT(response.ByteSizeLong(), 0u);
    for (const auto& result : response.refused_reports()) refused = result;
    handled = response.handled_report_sequence();
  }
  EXPECT_EQ(refused.token(), task.token() + 1'000);
  EXPECT_EQ(refused.status().code(), grpc::ABORTED);
}

TEST_F(Attach, ABadReportIsRefusedByNameAndTheStreamGoesOn) {
  Submit(Spec("mail"));
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 1);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  const v1::LeasedTask task = worker.NextTask();
  v1::AttachRequest report;
  report.set_report_sequence(1);
  *report.add_reports() = Succeeded(task, std::string(limits::kPayloadBytesMax + 1, 'x'));
  worker.Write(report);
  const v1::AttachResponse response = worker.Next();
  ASSERT_EQ(response.refused_reports_size(), 1);
  EXPECT_EQ(response.refused_reports(0).status().code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(response.refused_reports(0).status().message(), HasSubstr("result: has 4128769"));
  v1::AttachRequest second;
  second.set_report_sequence(2);
  *second.add_reports() = Succeeded(task, "short");
  worker.Write(second);
  EXPECT_EQ(Await(task.task_id()).outcome().result(), "short");
}

TEST_F(Attach, ACancelledTaskStopsInItsWorker) {
  const std::string id = Submit(Spec("mail")).task_id();
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 1);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  const v1::LeasedTask task = worker.NextTask();
  Context context;
  v1::CancelTaskRequest cancel;
  cancel.set_task_id(id);
  v1::CancelTaskResponse cancelled;
  ASSERT_TRUE(tasks->CancelTask(&context, cancel, &cancelled).ok());
  EXPECT_EQ(cancelled.task().state(), v1::TASK_STATE_RUNNING);
  EXPECT_TRUE(cancelled.task().cancel_requested());
  const v1::AttachResponse stop = worker.Next();
  ASSERT_EQ(stop.stops_size(), 1);
  EXPECT_EQ(stop.stops(0).token(), task.token());
  EXPECT_EQ(stop.stops(0).reason(), v1::STOP_REASON_CANCELLED);
  v1::AttachRequest report;
  report.set_report_sequence(1);
  *report.add_reports() = Succeeded(task, "");
  report.mutable_reports(0)->set_end(v1::ATTEMPT_END_STOPPED);
  worker.Write(report);
  EXPECT_EQ(Await(id).outcome().state(), v1::TASK_STATE_CANCELLED);
}

TEST_F(Attach, ASecondStreamOfAWorkerTakesOver) {
  WorkerClient first(*workers);
  first.Write(WorkerClient::Hello("w1", "mail"));
  ASSERT_TRUE(first.Next().has_welcome());
  WorkerClient second(*workers);
  second.Write(WorkerClient::Hello("w1", "mail"));
  ASSERT_TRUE(second.Next().has_welcome());
  EXPECT_FALSE(first.Finish().ok());
}

v1::HandlerStats Stats(const std::string& type, int64_t runs) {
  v1::HandlerStats stats;
  stats.set_type(type);
  stats.set_pool("thread");
  stats.set_runs(runs);
  stats.set_measured_runs(2);
  stats.set_cpu_ms(0.75);
  stats.set_wall_ms(1.5);
  stats.set_advice(v1::HANDLER_ADVICE_PROCESS);
  return stats;
}

TEST_F(Attach, WhatAWorkerTellsOfItsHandlersIsShownWhileItIsConnected) {
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  *hello.add_handlers() = Stats("first", 7);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  v1::Worker shown = ListWorkers().workers(0);
  ASSERT_EQ(shown.handlers_size(), 1);
  EXPECT_EQ(shown.handlers(0).SerializeAsString(), Stats("first", 7).SerializeAsString());

  v1::AttachRequest more;
  *more.add_handlers() = Stats("second", 1);
  *more.add_handlers() = Stats("third", 1);
  worker.Write(more);
  Eventually([&] { return ListWorkers().workers(0).handlers_size() == 2; });
  worker.Write(v1::AttachRequest());

  WorkerClient successor(*workers);
  v1::AttachRequest again = WorkerClient::Hello("w1", "mail");
  *again.add_handlers() = Stats("fourth", 1);
  successor.Write(again);
  ASSERT_TRUE(successor.Next().has_welcome());
  worker.Finish();
  shown = ListWorkers().workers(0);
  ASSERT_EQ(shown.handlers_size(), 1) << "the end of the first stream takes nothing away";
  EXPECT_EQ(shown.handlers(0).type(), "fourth");

  // A lease keeps the worker in the list.
  Submit(Spec("mail"));
  v1::AttachRequest credit;
  WorkerClient::AddCredit(credit, 1);
  successor.Write(credit);
  ASSERT_EQ(WorkerClient::TasksOf(successor.Next()).size(), 1u);
  successor.Cancel();
  Eventually([&] {
    shown = ListWorkers().workers(0);
    return !shown.connected() && shown.handlers().empty();
  });
}

// Connections are numbered, too; a worker may come back over one that is older.
TEST_F(Attach, TheLatestStreamTellsOfHandlersWhateverItsConnection) {
  Info();  // this connection is the first
  const auto other = v1::WorkerService::NewStub(
      grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), [] {
        grpc::ChannelArguments own;
        own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        return own;
      }()));
  WorkerClient worker(*other);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  *hello.add_handlers() = Stats("before", 1);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  WorkerClient successor(*workers);
  v1::AttachRequest again = WorkerClient::Hello("w1", "mail");
  *again.add_handlers() = Stats("now", 1);
  successor.Write(again);
  ASSERT_TRUE(successor.Next().has_welcome());
  worker.Finish();
  const v1::Worker shown = ListWorkers().workers(0);
  ASSERT_EQ(shown.handlers_size(), 1);
  EXPECT_EQ(shown.handlers(0).type(), "now");
}

TEST_F(Attach, AnOperatorHasWorkersDrain) {
  const auto drain = [&](const std::string& worker, v1::DrainWorkersResponse& response) {
    Context context;
    v1::DrainWorkersRequest request;
    request.set_worker(worker);
    return admin->DrainWorkers(&context, request, &response);
  };
  WorkerClient worker(*workers);
  worker.Write(WorkerClient::Hello("w1", "mail"));
  ASSERT_TRUE(worker.Next().has_welcome());
  v1::AttachRequest credit;
  WorkerClient::AddCredit(credit, 1);
  worker.Write(credit);
  v1::DrainWorkersResponse response;
  ASSERT_TRUE(drain("w2", response).ok());  // it may come
  EXPECT_EQ(response.workers(), 0);
  EXPECT_EQ(drain("", response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  ASSERT_TRUE(drain("w1", response).ok());
  EXPECT_EQ(response.workers(), 1);
  EXPECT_EQ(response.drain().worker(), "w1");
  EXPECT_EQ(response.drain().busy_workers(), 0);
  EXPECT_TRUE(worker.Next().drain());
  EXPECT_TRUE(ListWorkers().workers(0).draining());
  const v1::SubmitResult left = Submit(Spec("mail"));
  EXPECT_EQ(Lease("mail").tasks(0).task_id(), left.task_id());  // another's
}

TEST_F(Attach, ADrainHoldsForWhoComesUntilItIsRemoved) {
  v1::DrainWorkersRequest request;
  (*request.mutable_labels())["zone"] = "a";
  request.set_reason("new disks");
  v1::DrainWorkersResponse set;
  {
    Context context;
    context.AddMetadata("treadle-actor", "ann@build-7");
    ASSERT_TRUE(admin->DrainWorkers(&context, request, &set).ok());
  }
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  (*hello.mutable_hello()->mutable_labels())["zone"] = "a";
  WorkerClient worker(*workers);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  EXPECT_TRUE(worker.Next().drain());
  EXPECT_EQ(ListWorkers().workers(0).labels().at("zone"), "a");

  v1::ListDrainsRequest list;
  v1::ListDrainsResponse listed;
  {
    Context context;
    ASSERT_TRUE(admin->ListDrains(&context, list, &listed).ok());
  }
  ASSERT_EQ(listed.drains_size(), 1);
  EXPECT_EQ(listed.drains(0).drain_id(), set.drain().drain_id());
  EXPECT_EQ(listed.drains(0).reason(), "new disks");
  EXPECT_EQ(listed.drains(0).workers(), 1);
  EXPECT_EQ(listed.next_page_token(), "");

  v1::RemoveDrainRequest remove;
  remove.set_drain_id(set.drain().drain_id());
  v1::RemoveDrainResponse removed;
  {
    Context context;
    ASSERT_TRUE(admin->RemoveDrain(&context, remove, &removed).ok());
  }
  {
    Context context;
    EXPECT_EQ(admin->RemoveDrain(&context, remove, &removed).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
  WorkerClient next(*workers);
  hello.mutable_hello()->set_worker_id("w2");
  next.Write(hello);
  ASSERT_TRUE(next.Next().has_welcome());
  EXPECT_FALSE(ListWorkers().workers(1).draining());

  v1::ListActionsRequest question;
  question.set_page_size(1);
  v1::ListActionsResponse actions;
  {
    Context context;
    ASSERT_TRUE(admin->ListActions(&context, question, &actions).ok());
  }
  ASSERT_EQ(actions.actions_size(), 1);
  EXPECT_EQ(actions.actions(0).kind(), v1::ACTION_KIND_DRAIN_REMOVED);
  question.set_page_token(actions.next_page_token());
  {
    Context context;
    ASSERT_TRUE(admin->ListActions(&context, question, &actions).ok());
  }
  ASSERT_EQ(actions.actions_size(), 1);
  EXPECT_EQ(actions.actions(0).kind(), v1::ACTION_KIND_DRAIN_SET);
  EXPECT_EQ(actions.actions(0).subject(), set.drain().drain_id());
  EXPECT_EQ(actions.actions(0).actor(), "ann@build-7");
  EXPECT_EQ(actions.actions(0).reason(), "new disks");
  EXPECT_NE(actions.actions(0).peer(), "");
  EXPECT_EQ(actions.next_page_token(), "");
  question.set_page_token("");
  question.add_kinds(v1::ACTION_KIND_QUEUE_PAUSED);
  {
    Context context;
    ASSERT_TRUE(admin->ListActions(&context, question, &actions).ok());
  }
  EXPECT_EQ(actions.actions_size(), 0);
}

TEST_F(Attach, AListOfWorkersWithManyHandlersComesInSeveralPages) {
  constexpr int kWorkers = 8;
  std::vector<std::unique_ptr<WorkerClient>> attached;
  for (int i = 0; i < kWorkers; ++i) {
    v1::AttachRequest hello = WorkerClient::Hello("w" + std::to_string(i), "mail");
    for (int k = 0; k < 1'024; ++k) *hello.add_handlers() = Stats(std::string(255, 'x'), k);
    attached.push_back(std::make_unique<WorkerClient>(*workers));
    attached.back()->Write(hello);
    ASSERT_TRUE(attached.back()->Next().has_welcome());
  }
  int count = 0;
  int pages = 0;
  v1::ListWorkersRequest request;
  do {
    const v1::ListWorkersResponse page = ListWorkers(request);
    EXPECT_LT(page.ByteSizeLong(), 2u << 20);
    count += page.workers_size();
    ++pages;
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && pages <= kWorkers);
  EXPECT_EQ(count, kWorkers);
  EXPECT_GT(pages, 1);
}

TEST_F(Attach, LargePayloadsComeInSeveralMessages) {
  const std::string large(700'000, 'x');
  for (int i = 0; i < 4; ++i) Submit(Spec("mail", large));
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 4);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  int count = 0;
  while (count < 4) {
    const v1::AttachResponse response = worker.Next();
    ASSERT_EQ(response.runs_size(), 1);
    EXPECT_EQ(response.runs(0).payloads(), large);
    ++count;
  }
}

TEST_F(Attach, ALargeMessageIsToldBeforeItComes) {
  Submit(Spec("mail", std::string(700'000, 'x')));
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 1);
  worker.Write(hello);
  int64_t told = 0;
  v1::AttachResponse response;
  while (worker.NextRaw(response) && response.runs_size() == 0) told += response.arriving_bytes();
  EXPECT_EQ(told, static_cast<int64_t>(response.ByteSizeLong()));
}

TEST_F(Attach, ProgressIsShownToThoseWhoLook) {
  const std::string id = Submit(Spec("mail")).task_id();
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 1);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  const v1::LeasedTask task = worker.NextTask();

  Context watch_context;
  v1::WatchTaskRequest watch;
  watch.set_task_id(id);
  const auto seen = tasks->WatchTask(&watch_context, watch);
  v1::WatchTaskResponse response;
  ASSERT_TRUE(seen->Read(&response));
  EXPECT_EQ(response.task().state(), v1::TASK_STATE_RUNNING);
  EXPECT_EQ(response.task().worker(), "name of w1");

  v1::AttachRequest report;
  v1::ProgressReport& progress = *report.add_progress();
  progress.set_token(task.token());
  progress.mutable_progress()->set_fraction(0.5);
  progress.mutable_progress()->set_message("half way");
  worker.Write(report);
  while (seen->Read(&response) && !response.task().has_progress()) {
  }
  EXPECT_EQ(response.task().progress().fraction(), 0.5);
  EXPECT_EQ(response.task().progress().message(), "half way");

  v1::AttachRequest end;
  end.set_report_sequence(1);
  *end.add_reports() = Succeeded(task, "42");
  worker.Write(end);
  while (seen->Read(&response) && !response.has_outcome()) {
  }
  EXPECT_EQ(response.task().state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(response.outcome().result(), "42");
  EXPECT_FALSE(seen->Read(&response));
  EXPECT_TRUE(seen->Finish().ok());
}

}  // namespace
}  // namespace treadle::test
