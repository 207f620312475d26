#include "server/broker/inbox.h"

#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace treadle::broker {
namespace {

using engine::CallId;

Request Command(engine::Command command, size_t body_bytes = 0) {
  return {std::move(command),
          std::make_shared<const Body>(Body{.bytes = std::string(body_bytes, 'x')})};
}

absl::Status Post(Inbox& inbox, Request request) { return inbox.Post(absl::MakeSpan(&request, 1)); }

TEST(Inbox, BeyondItsRequestsItRefusesAndTakesNothing) {
  Inbox inbox(2, 1 << 20);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  std::vector<Request> two;
  two.push_back(Command(engine::Heartbeat{CallId{2}}));
  two.push_back(Command(engine::Heartbeat{CallId{3}}));
  const absl::Status refused = inbox.Post(absl::MakeSpan(two));
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  std::vector<Request> taken;
  inbox.Take(taken);
  EXPECT_EQ(taken.size(), 1u);
  EXPECT_TRUE(inbox.Post(absl::MakeSpan(two)).ok());
}

TEST(Inbox, BeyondItsBytesItRefusesUnlessEmpty) {
  Inbox inbox(100, 10'000);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}}, 50'000)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Post(inbox, Command(engine::Heartbeat{CallId{1}}))));
}

TEST(Inbox, TheEndOfACallIsTakenEvenWhenFull) {
  Inbox inbox(1, 1 << 20);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  EXPECT_FALSE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  EXPECT_TRUE(Post(inbox, Command(engine::CallClosed{CallId{1}})).ok());
}

TEST(Inbox, ClosedItIsUnavailable) {
  Inbox inbox(1, 1 << 20);
  inbox.Close();
  EXPECT_TRUE(absl::IsUnavailable(Post(inbox, Command(engine::CallClosed{CallId{1}}))));
}

TEST(Inbox, AFailedSyncStays) {
  Inbox inbox(1, 1 << 20);
  inbox.Synced(3);
  inbox.Synced(absl::DataLossError("fdatasync: EIO"));
  inbox.Synced(4);
  EXPECT_TRUE(absl::IsDataLoss(inbox.synced().status()));
}

TEST(Inbox, ARequestWakesTheSleeper) {
  Inbox inbox(10, 1 << 20);
  std::thread poster([&] { EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok()); });
  inbox.Wait(std::nullopt, 0, Inbox::For::kAnything);
  std::vector<Request> taken;
  inbox.Take(taken);
  EXPECT_EQ(taken.size(), 1u);
  poster.join();
}

TEST(Inbox, ASyncWakesTheSleeperThatWaitsForNothingElse) {
  Inbox inbox(10, 1 << 20);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  std::thread store([&] { inbox.Synced(1); });
  inbox.Wait(std::nullopt, 0, Inbox::For::kSync);
  EXPECT_EQ(*inbox.synced(), 1u);
  store.join();
}

}  // namespace
}  // namespace treadle::broker
