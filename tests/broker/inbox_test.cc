#include "server/broker/inbox.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Request Command(engine::Command command, size_t body_bytes = 0) {
  return {std::move(command),
          std::make_shared<const Body>(Body{.bytes = std::string(body_bytes, 'x')})};
}

absl::Status Post(Inbox& inbox, Request request) {
  std::vector<Request> one;
  one.push_back(std::move(request));
  return inbox.Post(std::move(one));
}

// The calls of what is taken at once.
std::vector<uint64_t> Take(Inbox& inbox, size_t max) {
  std::vector<uint64_t> calls;
  for (const Request& request : inbox.Take(max)) {
    const auto& command = std::get<engine::Command>(request.action);
    calls.push_back(static_cast<uint64_t>(std::get<engine::Heartbeat>(command).call));
  }
  return calls;
}

TEST(Inbox, GivesWhatWasPostedInOrderAndNeverMoreThanAsked) {
  Inbox inbox(100, 1 << 20);
  std::vector<Request> many;
  for (const uint64_t call : {1, 2, 3}) many.push_back(Command(engine::Heartbeat{CallId{call}}));
  EXPECT_TRUE(inbox.Post(std::move(many)).ok());
  EXPECT_TRUE(inbox.Post(std::vector<Request>()).ok());
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{4}})).ok());
  EXPECT_THAT(Take(inbox, 2), ElementsAre(1, 2));
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{5}})).ok());
  EXPECT_THAT(Take(inbox, 0), IsEmpty());
  EXPECT_THAT(Take(inbox, 10), ElementsAre(3));
  EXPECT_THAT(Take(inbox, 10), ElementsAre(4));
  EXPECT_THAT(Take(inbox, 10), ElementsAre(5));
  EXPECT_THAT(Take(inbox, 10), IsEmpty());
}

TEST(Inbox, BeyondItsRequestsItRefusesAndTakesNothing) {
  Inbox inbox(2, 1 << 20);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  std::vector<Request> two;
  two.push_back(Command(engine::Heartbeat{CallId{2}}));
  two.push_back(Command(engine::Heartbeat{CallId{3}}));
  const absl::Status refused = inbox.Post(std::move(two));
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(two.size(), 2u);
  EXPECT_EQ(inbox.Take(10).size(), 1u);
  EXPECT_TRUE(inbox.Post(std::move(two)).ok());
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
  EXPECT_EQ(inbox.Take(10).size(), 1u);
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
