#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/rpc/raw.h"
#include "tests/rpc/stream.h"
#include "tests/support/tcp_proxy.h"

namespace treadle::test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// Calls of which the headers come, and not the message.
class BareCalls : public RpcTest {
 protected:
  static constexpr int64_t kCallsPerClient = 30;
  static constexpr int64_t kCalls = 100;

  BareCalls() : RpcTest(Small()) {}
  static LocalServerOptions Small() {
    LocalServerOptions options;
    options.rpc.calls_per_client_max = kCallsPerClient;
    options.rpc.calls_max = kCalls;
    return options;
  }

  void Begin(grpc::Channel& with, const char* method, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      bare.push_back(std::make_unique<RawStream>(with, method));
    }
  }

  // Until the calls that were begun have come, another one is taken.
  grpc::Status Refused(grpc::Channel& with) {
    grpc::Status status;
    Eventually([&] {
      status = CallRaw(with, "treadle.v1.AdminService/GetServerInfo", "");
      return !status.ok();
    });
    EXPECT_EQ(status.error_code(), grpc::RESOURCE_EXHAUSTED);
    return status;
  }

  std::vector<std::unique_ptr<RawStream>> bare;
};

TEST_F(BareCalls, CountAgainstTheBoundOfTheirConnection) {
  Begin(*channel, "treadle.v1.TaskService/Submit", 8);
  Begin(*channel, "treadle.v1.AdminService/GetServerInfo", 8);
  Begin(*channel, "treadle.v1.TaskService/WatchTask", 4);
  Begin(*channel, "grpc.health.v1.Health/Check", 4);
  Begin(*channel, "grpc.health.v1.Health/Watch", 2);
  Begin(*channel, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", 4);
  const grpc::Status refused = Refused(*channel);
  EXPECT_THAT(refused.error_message(), HasSubstr("this connection has 30 open calls"));

  // One that gets its message, and one that leaves, make room.
  ASSERT_TRUE(bare[8]->Write(""));
  ASSERT_TRUE(bare[8]->Read());
  EXPECT_TRUE(bare[8]->Finish().ok());
  bare.pop_back();
  Eventually([&] { return CallRaw(*channel, "treadle.v1.AdminService/GetServerInfo", "").ok(); });
}

TEST_F(BareCalls, CountAgainstTheBoundOfAllAndLeaveRoomForWhoHasAFew) {
  EXPECT_NE(Info().version(), "");
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int64_t i = 0; i < 5; ++i) {
    channels.push_back(server.NewChannel());
    ASSERT_TRUE(CallRaw(*channels.back(), "treadle.v1.AdminService/GetServerInfo", "").ok());
  }
  for (const auto& each : channels) Begin(*each, "treadle.v1.TaskService/Submit", kCallsPerClient);
  for (const auto& each : channels) {
    EXPECT_THAT(Refused(*each).error_message(),
                AnyOf(HasSubstr("--calls-per-client"), HasSubstr("--calls-max")));
  }
  EXPECT_NE(Info().version(), "");
  EXPECT_TRUE(CallRaw(*server.NewChannel(), "treadle.v1.AdminService/GetServerInfo", "").ok());
}

TEST_F(BareCalls, WithoutAMessageTheyAreRefused) {
  for (const char* method : {"treadle.v1.TaskService/Submit", "treadle.v1.TaskService/WatchTask",
                             "grpc.health.v1.Health/Check"}) {
    RawStream closed(*channel, method);
    closed.HalfClose();
    const grpc::Status status = closed.Finish();
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << method;
    EXPECT_THAT(status.error_message(), HasSubstr("without its message")) << method;
  }
}

TEST_F(BareCalls, AMessageAfterTheFirstIsNotLookedAt) {
  RawStream two(*channel, "treadle.v1.AdminService/GetServerInfo");
  two.Write("");
  two.Write("garbage");
  EXPECT_TRUE(two.Read());
  EXPECT_TRUE(two.Finish().ok());
}

class ImpatientServer : public RpcTest {
 protected:
  explicit ImpatientServer(int64_t first_message_ms = 200) : RpcTest(Impatient(first_message_ms)) {}
  static LocalServerOptions Impatient(int64_t first_message_ms) {
    LocalServerOptions options;
    options.rpc.first_message_ms = first_message_ms;
    return options;
  }
};

TEST_F(ImpatientServer, EndsCallsWhoseMessageDoesNotCome) {
  for (const char* method : {"treadle.v1.TaskService/Submit", "treadle.v1.TaskService/WatchTask",
                             "grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch",
                             "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    RawStream silent(*channel, method);
    const grpc::Status status = silent.Finish();
    EXPECT_EQ(status.error_code(), grpc::DEADLINE_EXCEEDED) << method;
    EXPECT_THAT(status.error_message(), HasSubstr("nothing arrived for 200 ms")) << method;
  }
}

TEST_F(ImpatientServer, LetsThoseBeSilentWhoHaveAsked) {
  RawStream health(*channel, "grpc.health.v1.Health/Watch");
  health.Write("");
  ASSERT_TRUE(health.Read());
  RawStream reflection(*channel, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
  reflection.Write(std::string("\x3A\x00", 2));
  ASSERT_TRUE(reflection.Read());
  RawStream silent(*channel, "treadle.v1.TaskService/Submit");
  EXPECT_EQ(silent.Finish().error_code(), grpc::DEADLINE_EXCEEDED);
  reflection.Write(std::string("\x3A\x00", 2));
  EXPECT_TRUE(reflection.Read());
}

class SlowLink : public ImpatientServer {
 protected:
  SlowLink() : ImpatientServer(2'000) {}
};

TEST_F(SlowLink, ALargeMessageMayTakeItsTime) {
  TcpProxy proxy(server.port());
  const auto slow = wire::NewChannel(*ParseAddress(proxy.address()));
  ASSERT_TRUE(CallRaw(*slow, "treadle.v1.AdminService/GetServerInfo", "").ok());
  proxy.SlowDown(50'000);
  v1::SubmitRequest submit;
  *submit.add_tasks() = Spec("mail", std::string(300'000, 'x'));
  const auto begin = std::chrono::steady_clock::now();
  const grpc::Status status =
      CallRaw(*slow, "treadle.v1.TaskService/Submit", submit.SerializeAsString());
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_GT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

// The other way: what a stream still has to say takes longer than it may take to end.
TEST_F(SlowLink, AStreamsLastMessagesMayTakeTheirTime) {
  constexpr uint64_t kOutcomes = 8;
  TcpProxy proxy(server.port());
  const auto slow = v1::TaskService::NewStub(wire::NewChannel(*ParseAddress(proxy.address())));
  SessionClient session(*slow);
  session.Open();
  for (uint64_t i = 1; i <= kOutcomes; ++i) session.Submit(i, Spec("mail"));
  proxy.SlowDown(1'500'000);
  for (uint64_t i = 0; i < kOutcomes; ++i) {
    const v1::LeaseResponse leased = Lease("mail");
    ASSERT_EQ(leased.tasks_size(), 1);
    ASSERT_EQ(Complete(Succeeded(leased.tasks(0), std::string(3'000'000, 'x'))).status().code(), 0);
  }
  const auto begin = std::chrono::steady_clock::now();
  session.HalfClose();
  const grpc::Status status = session.Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_GT(std::chrono::steady_clock::now() - begin,
            std::chrono::milliseconds(wire::kPeerSilentMs));
}

}  // namespace
}  // namespace treadle::test
