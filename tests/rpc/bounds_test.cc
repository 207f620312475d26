#include <thread>
#include <vector>

#include "tests/rpc/closed_window.h"
#include "tests/rpc/raw.h"
#include "tests/rpc/stream.h"
#include "tests/support/tcp_proxy.h"

namespace treadle::test {
namespace {

using ::testing::HasSubstr;

class Bounds : public RpcTest {
 protected:
  Bounds() : RpcTest(Small()) {}
  static LocalServerOptions Small() {
    LocalServerOptions options;
    options.rpc.outgoing_bytes_max = 2 << 20;
    options.rpc.calls_per_client_max = 200;
    options.rpc.idle_heartbeat_ms = 1'000;
    return options;
  }
};

TEST_F(Bounds, AThousandStreamsOfOneClientAreRefusedBeyondTheBound) {
  std::vector<std::unique_ptr<SessionClient>> open;
  std::vector<std::unique_ptr<SessionClient>> streams;
  for (int i = 0; i < 64; ++i) {
    open.push_back(std::make_unique<SessionClient>(*tasks));
    ASSERT_NE(open.back()->Open().session_id(), 0u);
  }
  for (int i = 0; i < 1'000; ++i) streams.push_back(std::make_unique<SessionClient>(*tasks));
  for (const auto& stream : streams) {
    const grpc::Status status = stream->Finish();
    ASSERT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
    ASSERT_THAT(status.error_message(), HasSubstr("64 open streams"));
  }
  // Another client is not touched by that, and a place that is given up can be taken.
  auto other = v1::TaskService::NewStub(server.NewChannel());
  EXPECT_NE(SessionClient(*other).Open().session_id(), 0u);
  open[0]->HalfClose();
  EXPECT_TRUE(open[0]->Finish().ok());
  Eventually([&] { return SessionClient(*tasks).Open().session_id() != 0; });
}

TEST_F(Bounds, ParkedCallsOfOneClientAreBounded) {
  std::vector<std::unique_ptr<Context>> contexts;
  std::vector<v1::LeaseResponse> responses(300);
  std::atomic<int> over = 0;
  std::atomic<int> refused = 0;
  v1::LeaseRequest request;
  request.add_queues("empty");
  request.set_wait_ms(600'000);
  for (int i = 0; i < 300; ++i) {
    contexts.push_back(std::make_unique<Context>());
    workers->async()->Lease(contexts.back().get(), &request, &responses[i],
                            [&](const grpc::Status& status) {
                              if (status.error_code() == grpc::RESOURCE_EXHAUSTED) ++refused;
                              ++over;
                            });
  }
  Eventually([&] { return refused == 100; });
  for (const auto& context : contexts) context->TryCancel();
  Eventually([&] { return over == 300; });
  EXPECT_EQ(refused, 100);
}

TEST_F(Bounds, ASlowReaderIsEndedAndCanComeBackForItsOutcomes) {
  constexpr int kTasks = 32;
  SessionClient session(*tasks);
  const v1::SessionOpened opened = session.Open();
  const uint64_t id = opened.session_id();
  v1::SessionRequest request;
  for (int i = 1; i <= kTasks; ++i) AddTask(i, Spec("mail"), request);
  session.Write(request);
  // From now on this client does not read, while 32 MiB of results come.
  const std::string result(1 << 20, 'r');
  for (int i = 0; i < kTasks; ++i) {
    const v1::LeaseResponse leased = Lease("mail");
    ASSERT_EQ(leased.tasks_size(), 1);
    ASSERT_EQ(Complete(Succeeded(leased.tasks(0), result)).status().code(), 0);
  }
  int outcomes = 0;
  v1::SessionResponse response;
  while (session.NextRaw(response)) outcomes += static_cast<int>(OutcomesOf(response, id).size());
  EXPECT_LT(outcomes, kTasks);
  const grpc::Status status = session.Finish();
  EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("reader is too slow"));

  SessionClient again(*tasks);
  ASSERT_TRUE(again.Open(opened).resumed());
  outcomes = 0;
  for (uint64_t first = 1; first <= kTasks; first += 8) {
    v1::SessionRequest await;
    for (uint64_t i = first; i < first + 8; ++i) {
      await.add_await_task_ids(TaskId{id, i}.ToString());
    }
    again.Write(await);
    for (int missing = 8; missing > 0;) {
      response = again.Next();
      const auto arrived = static_cast<int>(OutcomesOf(response, id).size());
      ASSERT_GT(arrived, 0) << again.Finish().error_message();
      missing -= arrived;
      outcomes += arrived;
    }
  }
  EXPECT_EQ(outcomes, kTasks);
}

TEST_F(Bounds, LeasesBeyondWhatOneAnswerCarriesGoBackAtNoCost) {
  const std::string large(2 << 20, 'x');
  for (int i = 0; i < 4; ++i) Submit(Spec("mail", large));
  int count = 0;
  while (count < 4) {
    const v1::LeaseResponse leased = Lease("mail", 10);
    ASSERT_GT(leased.tasks_size(), 0);
    for (const v1::LeasedTask& task : leased.tasks()) {
      EXPECT_EQ(task.attempt(), 1);
      Complete(Succeeded(task, ""));
      ++count;
    }
  }
}

TEST_F(Bounds, AHalfOpenConnectionIsGivenUp) {
  const auto connected = [this] {
    Context context;
    v1::ListWorkersResponse response;
    EXPECT_TRUE(admin->ListWorkers(&context, {}, &response).ok());
    return response.workers_size() == 1 && response.workers(0).connected();
  };
  TcpProxy proxy(server.port());
  auto stub = v1::WorkerService::NewStub(wire::NewChannel(*ParseAddress(proxy.address())));
  WorkerClient worker(*stub);
  worker.Write(WorkerClient::Hello("w", "mail"));
  ASSERT_TRUE(worker.Next().has_welcome());
  EXPECT_TRUE(connected());
  proxy.Freeze();
  Eventually([&] { return !connected(); });
  proxy.Cut();
  EXPECT_FALSE(worker.Finish().ok());
}

TEST_F(Bounds, ASilentPeerIsEnded) {
  SessionClient session(*tasks);
  session.Open();
  const grpc::Status status = session.Finish();  // never sends a heartbeat
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("nothing came on this stream for 11000 ms"));
}

class SoonUnread : public RpcTest {
 protected:
  SoonUnread() : RpcTest(Soon()) {}
  static LocalServerOptions Soon() {
    LocalServerOptions options;
    options.rpc.read_within_ms = 100;
    options.rpc.read_bytes_per_ms = 100'000;
    return options;
  }
};

// Or some hundred of them would keep all that may be on its way to anybody.
TEST_F(SoonUnread, AStreamThatSpeaksAndDoesNotReadIsEnded) {
  // More than a client's end takes in by itself, and less than may wait for one stream.
  constexpr uint64_t kOutcomes = 15;
  SessionClient session(*tasks);
  session.Open();
  v1::SessionRequest request;
  for (uint64_t i = 1; i <= kOutcomes; ++i) AddTask(i, Spec("mail"), request);
  session.Write(request);
  std::vector<v1::LeasedTask> leased;
  while (leased.size() < kOutcomes) {
    const v1::LeaseResponse some = Lease("mail", kOutcomes);
    ASSERT_GT(some.tasks_size(), 0);
    leased.insert(leased.end(), some.tasks().begin(), some.tasks().end());
  }
  for (const v1::LeasedTask& task : leased) {
    EXPECT_EQ(Complete(Succeeded(task, std::string(3 << 20, 'x'))).status().code(), 0);
  }
  const auto before = std::chrono::steady_clock::now();
  Eventually([&] { return !session.Write(v1::SessionRequest()); });
  EXPECT_LT(std::chrono::steady_clock::now() - before, kPatience / 2);  // not by its own deadline
  EXPECT_FALSE(session.Finish().ok());
}

class SoonUnreadAnswers : public RpcTest {
 protected:
  SoonUnreadAnswers() : RpcTest(Soon()) {}
  static LocalServerOptions Soon() {
    LocalServerOptions options;
    options.rpc.read_within_ms = 100;
    options.rpc.calls_max = 20;
    return options;
  }
};

// Or a few peers would keep all calls that there may be.
TEST_F(SoonUnreadAnswers, ThatAreLargeAreBrokenOff) {
  v1::SubmitRequest request;
  for (int i = 0; i < 100; ++i) {
    *request.add_tasks() = Spec(absl::StrCat(std::string(200, 'q'), i));
  }
  Eventually([&] {  // on a busy machine this test itself may not read within the time
    Context context;
    v1::SubmitResponse response;
    return tasks->Submit(&context, request, &response).ok();
  });
  ClosedWindow peer(server.port());
  peer.Call("/treadle.v1.QueueService/ListQueues");
  peer.AwaitResets(1);
}

TEST_F(SoonUnreadAnswers, AreBrokenOffWhenHalfOfTheCallsAreOpen) {
  ClosedWindow peer(server.port());
  ClosedWindow another(server.port());
  for (ClosedWindow* each : {&peer, &another}) {
    for (int i = 0; i < 8; ++i) each->Call("/treadle.v1.AdminService/GetServerInfo");
  }
  peer.AwaitResets(1);
}

}  // namespace
}  // namespace treadle::test
