#include "server/rpc/calls.h"

#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "proto/support/clock.h"
#include "server/rpc/message_wait.h"

namespace treadle::rpc {
namespace {

using ::testing::HasSubstr;

class FakeCall final : public Call {
 public:
  FakeCall(Calls& calls, const std::string& peer, bool is_about_health)
      : Call(calls, peer), is_about_health_(is_about_health) {}
  bool is_stream() const override { return false; }
  bool is_about_health() const override { return is_about_health_; }
  void Deliver(broker::Delivery&) override {}
  void End(absl::Status) override {}
  void BreakOff() override { is_broken_off = true; }

  bool is_broken_off = false;

 private:
  const bool is_about_health_;
};

// Peers with open calls.
class CallsTest : public ::testing::Test {
 protected:
  static constexpr int64_t kCalls = 1'000;
  static constexpr int64_t kCallsPerClient = 400;

  static Options Small() {
    Options options;
    options.calls_max = kCalls;
    options.calls_per_client_max = kCallsPerClient;
    return options;
  }
  // With port 0 to 999.
  static std::string Peer(int port) { return absl::StrCat("ipv4:10.0.0.7:", port); }

  absl::Status Add(const std::string& peer, bool is_about_health = false) {
    last = std::make_shared<FakeCall>(calls, peer, is_about_health);
    absl::Status status = calls.Add(last);
    if (status.ok()) open.push_back(last);
    return status;
  }
  static std::string Message(const absl::Status& status) { return std::string(status.message()); }
  // As many as it gets.
  int64_t Flood(const std::string& peer) {
    int64_t count = 0;
    while (Add(peer).ok()) ++count;
    return count;
  }

  const SystemMachineClock machine;
  const ServiceClock clock{machine};
  Connections connections{1'000};
  Calls calls{Small(), connections, clock};
  std::vector<std::shared_ptr<FakeCall>> open;
  std::shared_ptr<FakeCall> last;
};

TEST_F(CallsTest, HaveAClientWhateverTheNumberOfTheirConnection) {
  for (const uint32_t number : {1U, (1U << 20) - 1, 1U << 20, 5U << 20, UINT32_MAX}) {
    const Client client("ipv4:10.0.0.7:50312", number);
    EXPECT_NE(engine::ClientOf(calls.NewId(client)), 0U) << number;
  }
  EXPECT_EQ(engine::ClientOf(calls.NewId()), 0U);
}

TEST_F(CallsTest, AConnectionMayHaveAsManyAsAreFree) {
  EXPECT_EQ(Flood(Peer(1)), kCallsPerClient);
  EXPECT_EQ(Flood(Peer(2)), 250);  // half of the 500 that its address has left
  EXPECT_THAT(Message(Add(Peer(2))), HasSubstr("for those who have fewer"));
  EXPECT_EQ(Flood("ipv4:10.0.0.8:1"), 175);  // half of the 350 that all have left
}

TEST_F(CallsTest, ThatNobodyHasAnyMoreMakeRoom) {
  Flood(Peer(1));
  EXPECT_THAT(Message(Add(Peer(1))), HasSubstr("--calls-per-client"));
  calls.Remove(*open.back());
  EXPECT_EQ(Flood(Peer(1)), 1);
}

TEST_F(CallsTest, AFewFindRoomBesideAnyFloodAtTheirAddress) {
  for (int port = 0; port < 10; ++port) Flood(Peer(port));
  ASSERT_THAT(Message(Add(Peer(9))), HasSubstr("this address has"));
  EXPECT_EQ(Flood(Peer(11)), 4);
  // Whose calls are answered, one after the other, and not over yet, has a few all the same.
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(Add(Peer(12)).ok()) << i;
    open.back()->Answered();
  }
  EXPECT_EQ(Flood(Peer(12)), 4);
  // And none of it is room of another address.
  EXPECT_EQ(Flood("ipv4:10.0.0.8:1"), 50);
}

TEST_F(CallsTest, AnswersThatOthersDoNotTakeLeaveRoomForAFew) {
  for (int port = 0; port < 10; ++port) Flood(Peer(port));
  for (int port = 100; port < 120; ++port) {
    while (Add(Peer(port)).ok()) open.back()->Answered();
  }
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(Add(Peer(12)).ok()) << i;
    open.back()->Answered();
  }
  EXPECT_EQ(Flood(Peer(12)), 4);
}

TEST_F(CallsTest, TheFewOfAllHaveABound) {
  int64_t count = 0;
  for (int port = 0; port < 200; ++port) count += Flood(Peer(port));
  EXPECT_EQ(count, kCalls - kCalls / 10 + kCalls / 2);
  EXPECT_THAT(Message(Add(Peer(999))), HasSubstr("this address has"));
  EXPECT_EQ(Flood("ipv4:10.0.0.8:1"), 50);
}

TEST_F(CallsTest, NobodyKeepsOthersOutWithAnswersThatHeDoesNotTake) {
  int64_t count = 0;
  while (Add(Peer(1)).ok()) {
    open.back()->Answered();
    ++count;
  }
  EXPECT_EQ(count, kCallsPerClient);
}

TEST_F(CallsTest, WhileManyAreOpenAllAreLookedAfter) {
  for (int i = 0; i < kCallsPerClient; ++i) {
    ASSERT_TRUE(Add(Peer(1)).ok());
    calls.StopBeat(*open.back());
  }
  EXPECT_TRUE(calls.Beating().empty());
  Flood(Peer(2));
  EXPECT_EQ(calls.Beating().size(), open.size());
}

TEST_F(CallsTest, WhoWaitsForHisClientIsLookedAfter) {
  ASSERT_TRUE(Add(Peer(1)).ok());
  EXPECT_EQ(calls.Beating().size(), 1);
  calls.StopBeat(*last);
  EXPECT_TRUE(calls.Beating().empty());
  calls.StartBeat(last);
  EXPECT_EQ(calls.Beating().size(), 1);
  calls.Remove(*last);
  calls.StartBeat(last);
  EXPECT_TRUE(calls.Beating().empty());
}

TEST_F(CallsTest, ThatAreRefusedAndNotReadAreBrokenOffBeyondABound) {
  Flood(Peer(1));
  std::vector<std::shared_ptr<FakeCall>> refused;
  do {
    ASSERT_FALSE(Add(Peer(1)).ok());
    refused.push_back(last);
  } while (!last->is_broken_off && refused.size() < 10'000);
  EXPECT_EQ(refused.size(), 2'000);  // and one of Flood's
  // Once they have taken it, others are told again.
  for (const auto& call : refused) calls.Remove(*call);
  for (int i = 0; i < 100; ++i) {
    ASSERT_FALSE(Add(Peer(1)).ok());
    EXPECT_FALSE(last->is_broken_off);
  }
}

// A connection of 10.0.0.7.
class Connected {
 public:
  Connected(Connections& connections, in_port_t port) {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0);
    sockaddr_storage peer{};
    auto& v4 = reinterpret_cast<sockaddr_in&>(peer);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    ::inet_pton(AF_INET, "10.0.0.7", &v4.sin_addr);
    EXPECT_TRUE(connections.Add(ends_[0], peer, 0).ok());
  }
  ~Connected() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Connected(const Connected&) = delete;
  Connected& operator=(const Connected&) = delete;

  bool is_broken_off() const {
    char byte = 0;
    return ::recv(ends_[1], &byte, 1, MSG_DONTWAIT) == 0;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST_F(CallsTest, ManyAmongThoseWithOneTooManyLoseTheirConnection) {
  const Connected many(connections, 1);
  const Connected one(connections, 2);
  const auto flood = [this](int port) {
    do {
      ASSERT_LT(last->client()->refused, 5'000);
      (void)Add(Peer(port));
    } while (!last->is_broken_off);
  };
  Flood(Peer(1));
  for (int port = 3; port < 30; ++port) flood(port);  // until little is left of what may be refused
  EXPECT_FALSE(many.is_broken_off());
  flood(1);
  EXPECT_TRUE(many.is_broken_off());
  flood(2);
  EXPECT_FALSE(one.is_broken_off());
}

TEST_F(CallsTest, AtTheEndThoseAboutHealthAreRefusedLast) {
  calls.Close();
  EXPECT_TRUE(absl::IsUnavailable(Add(Peer(1))));
  EXPECT_TRUE(Add(Peer(1), /*is_about_health=*/true).ok());
  calls.CloseForAll();
  EXPECT_TRUE(absl::IsUnavailable(Add(Peer(1), /*is_about_health=*/true)));
}

TEST(MessageWait, IsOverWhenNothingComes) {
  Client client("ipv4:10.0.0.7:50312", 1);
  MessageWait wait(0);
  for (int64_t now_ms = 100; now_ms <= 10'000; now_ms += 100) {
    ASSERT_TRUE(wait.Check(client, now_ms, 10'000).ok()) << now_ms;
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(wait.Check(client, 10'100, 10'000)));
}

TEST(MessageWait, BeginsAnewAfterAPauseOfOurOwn) {
  Client client("ipv4:10.0.0.7:50312", 1);
  MessageWait wait(0);
  EXPECT_TRUE(wait.Check(client, 60'000, 10'000).ok());
  for (int64_t now_ms = 60'100; now_ms <= 70'000; now_ms += 100) {
    ASSERT_TRUE(wait.Check(client, now_ms, 10'000).ok()) << now_ms;
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(wait.Check(client, 70'100, 10'000)));
}

}  // namespace
}  // namespace treadle::rpc
