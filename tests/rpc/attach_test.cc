#include "tests/rpc/stream.h"

namespace treadle::test {
namespace {

using ::testing::HasSubstr;

class Attach : public RpcTest {};

TEST_F(Attach, AWorkerGetsTasksForItsCreditAndReportsThem) {
  for (int i = 0; i < 3; ++i) Submit(Spec("mail", std::to_string(i)));
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 2);
  worker.Write(hello);
  const v1::AttachResponse first = worker.Next();
  ASSERT_TRUE(first.has_welcome());
  EXPECT_EQ(first.welcome().lease_ms(), 15'000);
  EXPECT_EQ(first.welcome().heartbeat_ms(), 400);

  const v1::AttachResponse given = worker.Next();
  ASSERT_EQ(given.tasks_size(), 2);
  EXPECT_EQ(given.tasks(0).payload(), "0");
  EXPECT_EQ(given.tasks(1).payload(), "1");
  v1::AttachRequest report;
  report.set_report_sequence(1);
  for (const v1::LeasedTask& task : given.tasks()) {
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
    more += response.tasks_size();
  }
  EXPECT_EQ(handled, 1u);
  EXPECT_EQ(more, 1);
  EXPECT_EQ(Await(given.tasks(0).task_id()).outcome().result(), "done 0");
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
  EXPECT_EQ(refused.task_id(), task.task_id());
  EXPECT_EQ(refused.status().code(), grpc::ABORTED);
}

TEST_F(Attach, ABadReportIsRefusedByNameAndTheStreamGoesOn) {
  Submit(Spec("mail"));
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 1);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  const v1::LeasedTask task = worker.Next().tasks(0);
  v1::AttachRequest report;
  report.set_report_sequence(1);
  *report.add_reports() = Succeeded(task, std::string((4 << 20) + 1, 'x'));
  worker.Write(report);
  const v1::AttachResponse response = worker.Next();
  ASSERT_EQ(response.refused_reports_size(), 1);
  EXPECT_EQ(response.refused_reports(0).status().code(), grpc::INVALID_ARGUMENT);
  EXPECT_THAT(response.refused_reports(0).status().message(), HasSubstr("result: has 4194305"));
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
  const v1::LeasedTask task = worker.Next().tasks(0);
  Context context;
  v1::CancelTaskRequest cancel;
  cancel.set_task_id(id);
  v1::CancelTaskResponse cancelled;
  ASSERT_TRUE(tasks->CancelTask(&context, cancel, &cancelled).ok());
  EXPECT_EQ(cancelled.task().state(), v1::TASK_STATE_RUNNING);
  EXPECT_TRUE(cancelled.task().cancel_requested());
  const v1::AttachResponse stop = worker.Next();
  ASSERT_EQ(stop.stops_size(), 1);
  EXPECT_EQ(stop.stops(0).task_id(), id);
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
    ASSERT_EQ(response.tasks_size(), 1);
    EXPECT_EQ(response.tasks(0).payload(), large);
    ++count;
  }
}

TEST_F(Attach, ProgressIsShownToThoseWhoLook) {
  const std::string id = Submit(Spec("mail")).task_id();
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w1", "mail");
  WorkerClient::AddCredit(hello, 1);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  const v1::LeasedTask task = worker.Next().tasks(0);

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
  progress.set_task_id(id);
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
