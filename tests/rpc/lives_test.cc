// A server's next life, in the place of the one before.
#include <optional>

#include "tests/rpc/stream.h"

namespace treadle::test {
namespace {

class Lives : public ::testing::Test {
 protected:
  // The next life, on the port of the first.
  void Begin() {
    if (server.has_value()) options.listen = server->address();
    server.reset();
    server.emplace(options);
    channel = server->NewChannel();
    tasks = v1::TaskService::NewStub(channel);
    workers = v1::WorkerService::NewStub(channel);
  }
  static v1::TaskSpec Spec() {
    v1::TaskSpec spec;
    spec.set_queue("mail");
    spec.set_type("noop");
    return spec;
  }
  v1::LeasedTask LeaseOne() {
    Context context;
    v1::LeaseRequest request;
    request.add_queues("mail");
    request.set_wait_ms(30'000);
    v1::LeaseResponse response;
    EXPECT_TRUE(workers->Lease(&context, request, &response).ok());
    EXPECT_EQ(response.tasks_size(), 1);
    return response.tasks_size() == 1 ? response.tasks(0) : v1::LeasedTask();
  }
  v1::ItemStatus Complete(const v1::LeasedTask& task) {
    Context context;
    v1::CompleteRequest request;
    v1::AttemptReport& report = *request.add_reports();
    report.set_token(task.token());
    report.set_end(v1::ATTEMPT_END_SUCCEEDED);
    v1::CompleteResponse response;
    EXPECT_TRUE(workers->Complete(&context, request, &response).ok());
    return response.results(0).status();
  }
  v1::SubmitResult Submit() {
    Context context;
    v1::SubmitRequest request;
    *request.add_tasks() = Spec();
    v1::SubmitResponse response;
    EXPECT_TRUE(tasks->Submit(&context, request, &response).ok());
    return response.results(0);
  }

  const TemporaryFolder folder;
  LocalServerOptions options;
  std::optional<LocalServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::TaskService::Stub> tasks;
  std::unique_ptr<v1::WorkerService::Stub> workers;
};

// Promise 9. Two clients come back to a memory store that was restarted, in the other order.
TEST_F(Lives, ClientsOfALostStoreDoNotGetAtEachOthersSessions) {
  Begin();
  SessionClient one(*tasks);
  SessionClient other(*tasks);
  const v1::SessionOpened first = one.Open();
  const v1::SessionOpened second = other.Open();
  one.Cancel();
  other.Cancel();
  Begin();
  SessionClient third(*tasks);
  const v1::SessionOpened fresh = third.Open();
  EXPECT_FALSE(fresh.resumed());
  EXPECT_GT(fresh.session_id(), std::max(first.session_id(), second.session_id()));
  for (const v1::SessionOpened& before : {second, first}) {
    SessionClient again(*tasks);
    again.Open(before);
    EXPECT_EQ(again.Finish().error_code(), grpc::NOT_FOUND);
  }
}

TEST_F(Lives, AWorkerOfALostStoreCompletesNoTaskOfTheNextOne) {
  Begin();
  const std::string id = Submit().task_id();
  const v1::LeasedTask before = LeaseOne();
  Begin();
  EXPECT_NE(Submit().task_id(), id);
  const v1::LeasedTask now = LeaseOne();
  EXPECT_GT(now.token(), before.token());
  EXPECT_LT(now.token(), uint64_t{1} << 53);
  EXPECT_EQ(Complete(before).code(), grpc::ABORTED);
  EXPECT_EQ(Complete(now).code(), 0);
}

TEST_F(Lives, AReportIsAnsweredAgainAfterARestart) {
  options.data_directory = folder.path();
  Begin();
  Submit();
  const v1::LeasedTask leased = LeaseOne();
  EXPECT_EQ(Complete(leased).code(), 0);
  Begin();
  EXPECT_EQ(Complete(leased).code(), 0);
}

// What was accepted once is told so, though the server would no longer take it.
TEST_F(Lives, ASequenceThatWasAcceptedUnderAnotherBoundIsStillAccepted) {
  options.data_directory = folder.path();
  Begin();
  v1::TaskSpec large = Spec();
  large.set_payload(std::string(1'500, 'x'));
  SessionClient before(*tasks);
  const v1::SessionOpened opened = before.Open();
  before.Submit(1, large);
  ASSERT_EQ(before.Next().accepted_size(), 1);
  options.rpc.payload_bytes_max = 1'000;
  Begin();
  SessionClient again(*tasks);
  ASSERT_TRUE(again.Open(opened).resumed());
  v1::SessionRequest request;
  AddTask(1, large, request);
  AddTask(2, large, request);
  again.Write(request);
  bool accepted = false;
  bool refused = false;
  while (!accepted || !refused) {
    const v1::SessionResponse response = again.Next();
    ASSERT_GT(response.ByteSizeLong(), 0u);
    for (const v1::AcceptedRange& range : response.accepted()) {
      EXPECT_EQ(range.first_sequence(), 1u);
      EXPECT_EQ(range.last_sequence(), 1u);
      EXPECT_EQ(range.durability(), v1::DURABILITY_SYNCED);
      accepted = true;
    }
    for (const v1::RefusedRange& range : response.refused()) {
      EXPECT_EQ(range.first_sequence(), 2u);
      EXPECT_EQ(range.status().code(), grpc::INVALID_ARGUMENT);
      refused = true;
    }
  }
}

}  // namespace
}  // namespace treadle::test
