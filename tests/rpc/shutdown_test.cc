#include <future>
#include <memory>
#include <optional>

#include "tests/rpc/raw.h"
#include "tests/rpc/stream.h"

namespace treadle::test {
namespace {

struct Served {
  std::optional<LocalServer> server{std::in_place};
  const std::shared_ptr<grpc::Channel> channel = server->NewChannel();
  const std::unique_ptr<v1::TaskService::Stub> tasks = v1::TaskService::NewStub(channel);
  const std::unique_ptr<v1::WorkerService::Stub> workers = v1::WorkerService::NewStub(channel);
};

TEST(Shutdown, EndsOpenStreamsAndParkedCallsQuickly) {
  Served served;
  auto& [server, channel, tasks, workers] = served;

  SessionClient session(*tasks);
  const uint64_t number = session.Open().session_id();
  ASSERT_NE(number, 0u);
  session.Submit(1, [] {
    v1::TaskSpec spec;
    spec.set_queue("mail");
    spec.set_type("noop");
    return spec;
  }());
  const v1::SessionResponse accepted = session.Next();
  ASSERT_EQ(accepted.accepted_size(), 1);
  const std::string id = TaskId{number, 1}.ToString();

  WorkerClient worker(*workers);
  worker.Write(WorkerClient::Hello("w", "other"));
  ASSERT_TRUE(worker.Next().has_welcome());

  Context lease_context;
  v1::LeaseRequest lease;
  lease.add_queues("empty");
  lease.set_wait_ms(600'000);
  v1::LeaseResponse leased;
  std::promise<grpc::Status> lease_over;
  workers->async()->Lease(&lease_context, &lease, &leased,
                          [&](grpc::Status status) { lease_over.set_value(status); });

  Context watch_context;
  v1::WatchTaskRequest watch;
  watch.set_task_id(id);
  const auto watching = tasks->WatchTask(&watch_context, watch);
  v1::WatchTaskResponse seen;
  ASSERT_TRUE(watching->Read(&seen));

  RawStream never_begun(*channel, "treadle.v1.WorkerService/Attach");
  RawStream reflection(*channel, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  reflection.Write(std::string("\x3A\x00", 2));
  ASSERT_TRUE(reflection.Read());
  RawStream health(*channel, "grpc.health.v1.Health/Watch");
  health.Write("");
  health.HalfClose();
  ASSERT_TRUE(health.Read());

  const auto begin = std::chrono::steady_clock::now();
  server.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));

  EXPECT_EQ(session.Finish().error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(worker.Finish().error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(lease_over.get_future().get().error_code(), grpc::UNAVAILABLE);
  while (watching->Read(&seen)) {
  }
  EXPECT_EQ(watching->Finish().error_code(), grpc::UNAVAILABLE);
  EXPECT_FALSE(never_begun.Finish().ok());
  EXPECT_EQ(reflection.Finish().error_code(), grpc::UNAVAILABLE);
  std::string answer;
  EXPECT_TRUE(health.Read(&answer));
  EXPECT_EQ(answer, "\x08\x02");  // NOT_SERVING
  EXPECT_EQ(health.Finish().error_code(), grpc::UNAVAILABLE);
}

TEST(Shutdown, AClientThatDoesNotReadDoesNotHoldItUp) {
  Served served;
  auto& [server, channel, tasks, workers] = served;
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w", "mail");
  WorkerClient::AddCredit(hello, 100);
  worker.Write(hello);
  for (int i = 0; i < 20; ++i) {
    Context context;
    v1::SubmitRequest request;
    v1::TaskSpec& spec = *request.add_tasks();
    spec.set_queue("mail");
    spec.set_type("noop");
    spec.set_payload(std::string(1 << 20, 'x'));
    v1::SubmitResponse response;
    ASSERT_TRUE(tasks->Submit(&context, request, &response).ok());
  }
  const auto begin = std::chrono::steady_clock::now();
  server.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_FALSE(worker.Finish().ok());
}

TEST(Shutdown, AnAnswerThatCouldWaitIsGivenFirst) {
  Served served;
  auto& [server, channel, tasks, workers] = served;
  WorkerClient worker(*workers);
  v1::AttachRequest hello = WorkerClient::Hello("w", "mail");
  WorkerClient::AddCredit(hello, 1);
  worker.Write(hello);
  ASSERT_TRUE(worker.Next().has_welcome());
  Context submit_context;
  v1::SubmitRequest submit;
  submit.add_tasks()->set_queue("mail");
  submit.mutable_tasks(0)->set_type("noop");
  v1::SubmitResponse submitted;
  ASSERT_TRUE(tasks->Submit(&submit_context, submit, &submitted).ok());
  const v1::LeasedTask task = WorkerClient::TasksOf(worker.Next()).at(0);

  v1::AttachRequest message;
  message.set_report_sequence(1);
  message.set_answer_may_wait(true);
  message.add_reports()->set_token(task.token());
  message.mutable_reports(0)->set_end(v1::ATTEMPT_END_SUCCEEDED);
  worker.Write(message);
  Context await_context;
  v1::AwaitTaskRequest await;
  await.set_task_id(task.task_id());
  await.set_timeout_ms(30'000);
  v1::AwaitTaskResponse awaited;
  ASSERT_TRUE(tasks->AwaitTask(&await_context, await, &awaited).ok());
  ASSERT_TRUE(awaited.finished());
  server.reset();
  EXPECT_EQ(worker.Next().handled_report_sequence(), 1u);
}

TEST(Shutdown, WhatWasAcceptedIsThereAfterwards) {
  TemporaryFolder folder;
  LocalServerOptions options;
  options.data_directory = folder.path();
  std::string id;
  {
    LocalServer server(options);
    const auto tasks = v1::TaskService::NewStub(server.NewChannel());
    Context context;
    v1::SubmitRequest request;
    v1::TaskSpec& spec = *request.add_tasks();
    spec.set_queue("mail");
    spec.set_type("noop");
    spec.set_payload("hello");
    v1::SubmitResponse response;
    ASSERT_TRUE(tasks->Submit(&context, request, &response).ok());
    ASSERT_EQ(response.results(0).status().code(), 0) << response.results(0).status().message();
    EXPECT_EQ(response.results(0).durability(), v1::DURABILITY_SYNCED);
    id = response.results(0).task_id();
  }
  LocalServer server(options);
  const auto workers = v1::WorkerService::NewStub(server.NewChannel());
  Context context;
  v1::LeaseRequest request;
  request.add_queues("mail");
  v1::LeaseResponse response;
  ASSERT_TRUE(workers->Lease(&context, request, &response).ok());
  ASSERT_EQ(response.tasks_size(), 1);
  EXPECT_EQ(response.tasks(0).task_id(), id);
  EXPECT_EQ(response.tasks(0).payload(), "hello");
}

}  // namespace
}  // namespace treadle::test
