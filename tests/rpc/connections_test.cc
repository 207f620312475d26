#include "server/rpc/connections.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <poll.h>
#include <unistd.h>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "proto/support/clock.h"
#include "tests/rpc/connect.h"
#include "tests/rpc/fixture.h"

namespace treadle::test {
namespace {

// A connection that never says anything.
class Mute {
 public:
  explicit Mute(int port) : fd_(ConnectTo(port)) {}
  ~Mute() { ::close(fd_); }
  Mute(const Mute&) = delete;
  Mute& operator=(const Mute&) = delete;

  // The server has closed it, or broken it off.
  bool over() const {
    char bytes[1'024];
    ssize_t read = 0;
    do {
      read = ::recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT);
    } while (read > 0);
    return read == 0 || errno != EAGAIN;
  }

 private:
  const int fd_;
};

int64_t CountOver(const std::vector<std::unique_ptr<Mute>>& connections) {
  return std::count_if(connections.begin(), connections.end(),
                       [](const auto& one) { return one->over(); });
}

TEST(Listening, OnAllIPv4AddressesIsOnNoIPv6One) {
  LocalServerOptions options;
  options.listen = "0.0.0.0:0";
  const LocalServer server(std::move(options));
  const Mute peer(server.port());  // says that it cannot connect

  const int fd = ::socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(server.port()));
  address.sin6_addr = in6addr_loopback;
  EXPECT_NE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
}

class ConnectionBound : public RpcTest {
 protected:
  static constexpr int kMax = 20;

  ConnectionBound() : RpcTest(Small()) {}
  static LocalServerOptions Small() {
    LocalServerOptions options;
    options.rpc.connections_max = kMax;
    return options;
  }
};

TEST_F(ConnectionBound, IdleConnectionsGiveWayToThoseWhoWantSomething) {
  Info();
  Context context;
  v1::LeaseRequest request;
  request.add_queues("later");
  request.set_wait_ms(60'000);
  v1::LeaseResponse response;
  std::atomic<bool> answered = false;
  grpc::Status status;
  workers->async()->Lease(&context, &request, &response, [&](const grpc::Status& with) {
    status = with;
    answered = true;
  });
  // Calls of one connection arrive in their order: when this is answered, that one is open.
  Info();
  std::vector<std::unique_ptr<Mute>> idle;
  for (int i = 0; i < 3 * kMax; ++i) idle.push_back(std::make_unique<Mute>(server.port()));
  Eventually([&] { return CountOver(idle) >= 2 * kMax; });

  auto other = v1::TaskService::NewStub(server.NewChannel());
  Context submitting;
  v1::SubmitRequest submit;
  *submit.add_tasks() = Spec("later");
  v1::SubmitResponse submitted;
  EXPECT_TRUE(other->Submit(&submitting, submit, &submitted).ok());
  // Whoever has an open call keeps its connection.
  Eventually([&] { return answered.load(); });
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.tasks_size(), 1);
}

TEST_F(ConnectionBound, ThoseWithOpenCallsStayAndNewOnesAreRefused) {
  struct Watching {
    grpc::ClientContext context;
    std::unique_ptr<v1::TaskService::Stub> stub;
    std::unique_ptr<grpc::ClientReader<v1::WatchTaskResponse>> reader;
  };
  v1::WatchTaskRequest request;
  request.set_task_id(Submit(Spec("later")).task_id());
  v1::WatchTaskResponse response;
  std::vector<std::unique_ptr<Watching>> all;
  for (int i = 0; i < kMax - kMax / 10; ++i) {  // the last tenth is for other addresses
    all.push_back(std::make_unique<Watching>());
    Watching& one = *all.back();
    one.stub = v1::TaskService::NewStub(server.NewChannel());
    one.reader = one.stub->WatchTask(&one.context, request);
    ASSERT_TRUE(one.reader->Read(&response));
  }
  const Mute refused(server.port());
  Eventually([&] { return refused.over(); });

  // Each of them is still there: it sees the task run.
  auto own = v1::WorkerService::NewStub(server.NewChannel());
  all.pop_back();
  Eventually([&] {
    Context context;
    v1::LeaseRequest lease;
    lease.add_queues("later");
    v1::LeaseResponse leased;
    own->Lease(&context, lease, &leased);
    return leased.tasks_size() == 1;
  });
  for (const auto& one : all) {
    ASSERT_TRUE(one->reader->Read(&response));
    EXPECT_EQ(response.task().state(), v1::TASK_STATE_RUNNING);
  }
}

TEST_F(ConnectionBound, ClosedConnectionsDoNotCount) {
  for (int i = 0; i < 20 * kMax; ++i) Mute(server.port());
  Info();
}

TEST(PeerName, IsTheOneThatGrpcGives) {
  sockaddr_storage peer{};
  auto& v6 = reinterpret_cast<sockaddr_in6&>(peer);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(7733);
  ASSERT_EQ(::inet_pton(AF_INET6, "fe80::1", &v6.sin6_addr), 1);
  EXPECT_EQ(rpc::PeerName(peer), "ipv6:%5Bfe80::1%5D:7733");
  ASSERT_EQ(::inet_pton(AF_INET6, "::ffff:10.0.0.7", &v6.sin6_addr), 1);
  EXPECT_EQ(rpc::PeerName(peer), "ipv4:10.0.0.7:7733");
}

}  // namespace
}  // namespace treadle::test
