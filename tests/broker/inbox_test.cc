#include "server/broker/inbox.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/broker/body.h"
#include "tests/broker/held_store.h"

namespace treadle::broker {
namespace {

using engine::CallId;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Request Command(engine::Command command, size_t body_bytes = 0) {
  return {std::move(command),
          std::make_shared<const Body>(Body{.bytes = std::string(body_bytes, 'x')})};
}

std::vector<Request> One(Request request) {
  std::vector<Request> one;
  one.push_back(std::move(request));
  return one;
}

absl::Status Post(Inbox& inbox, Request request, Lane lane = Lane::kClients) {
  return inbox.Post(lane, One(std::move(request)));
}

// The calls of what is taken at once.
std::vector<uint64_t> Take(Inbox& inbox, size_t max, Lane lane = Lane::kClients,
                           int64_t bytes_max = INT64_MAX) {
  std::vector<uint64_t> calls;
  for (const Request& request : inbox.Take(lane, max, bytes_max)) {
    const auto& command = std::get<engine::Command>(request.action);
    calls.push_back(static_cast<uint64_t>(std::get<engine::Heartbeat>(command).call));
  }
  return calls;
}

// The streams that may post again.
std::vector<uint64_t> Resumed(Inbox& inbox) {
  std::vector<CallId> resumed;
  inbox.BeginTurn(LaneSet().set(), resumed);
  std::vector<uint64_t> calls;
  for (const CallId call : resumed) calls.push_back(static_cast<uint64_t>(call));
  return calls;
}

TestClock test_clock;
constexpr int64_t kLongMs = 60'000;

TEST(Inbox, GivesWhatWasPostedInOrderAndNeverMoreThanAsked) {
  Inbox inbox(test_clock, 100, 1 << 20);
  std::vector<Request> many;
  for (const uint64_t call : {1, 2, 3}) many.push_back(Command(engine::Heartbeat{CallId{call}}));
  EXPECT_TRUE(inbox.Post(Lane::kClients, std::move(many)).ok());
  EXPECT_TRUE(inbox.Post(Lane::kClients, std::vector<Request>()).ok());
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
  Inbox inbox(test_clock, 2, 1 << 20);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  std::vector<Request> two;
  two.push_back(Command(engine::Heartbeat{CallId{2}}));
  two.push_back(Command(engine::Heartbeat{CallId{3}}));
  const absl::Status refused = inbox.Post(Lane::kClients, std::move(two));
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(two.size(), 2u);
  EXPECT_THAT(Take(inbox, 10), ElementsAre(1));
  EXPECT_FALSE(inbox.Post(Lane::kClients, std::move(two)).ok());  // it is at work on the first
  EXPECT_THAT(Resumed(inbox), IsEmpty());
  EXPECT_TRUE(inbox.Post(Lane::kClients, std::move(two)).ok());
}

TEST(Inbox, BeyondItsBytesItRefusesUnlessEmpty) {
  Inbox inbox(test_clock, 100, 10'000);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}}, 50'000)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Post(inbox, Command(engine::Heartbeat{CallId{1}}))));
}

TEST(Inbox, TheEndOfACallIsTakenEvenWhenFull) {
  Inbox inbox(test_clock, 1, 1 << 20);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  EXPECT_FALSE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  EXPECT_TRUE(Post(inbox, Command(engine::CallClosed{CallId{1}})).ok());
}

TEST(Inbox, AFullLaneHoldsBackNobodyInAnother) {
  Inbox inbox(test_clock, 1, 1 << 20);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  EXPECT_FALSE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{2}}), Lane::kWorkers).ok());
  EXPECT_THAT(Take(inbox, 10, Lane::kWorkers), ElementsAre(2));
  EXPECT_THAT(Take(inbox, 10), ElementsAre(1));
}

TEST(Inbox, WhatAStreamHasReadIsTakenAndItWaitsForRoom) {
  Inbox inbox(test_clock, 2, 1 << 20);
  const auto post = [&](uint64_t call, size_t count) {
    std::vector<Request> requests;
    while (requests.size() < count) requests.push_back(Command(engine::Heartbeat{CallId{call}}));
    return inbox.PostFrom(CallId{call}, Lane::kClients, std::move(requests)).value();
  };
  EXPECT_EQ(post(1, 2), Reading::kGoOn);
  EXPECT_EQ(post(2, 1), Reading::kWait);
  EXPECT_EQ(post(3, 2), Reading::kWait);
  EXPECT_EQ(post(4, 1), Reading::kWait);
  EXPECT_THAT(Resumed(inbox), IsEmpty());
  EXPECT_THAT(Take(inbox, 10), ElementsAre(1, 1));
  EXPECT_THAT(Take(inbox, 10), ElementsAre(2));
  EXPECT_THAT(Resumed(inbox), IsEmpty());  // what is there fills it
  EXPECT_THAT(Take(inbox, 1), ElementsAre(3));
  EXPECT_THAT(Resumed(inbox), IsEmpty());
  EXPECT_THAT(Take(inbox, 1), ElementsAre(3));
  EXPECT_THAT(Resumed(inbox), ElementsAre(2));  // the others in their turn
  EXPECT_THAT(Take(inbox, 10), ElementsAre(4));
  EXPECT_THAT(Resumed(inbox), ElementsAre(3));
  EXPECT_THAT(Resumed(inbox), ElementsAre(4));
  EXPECT_THAT(Resumed(inbox), IsEmpty());
}

TEST(Inbox, AStreamWhoseMessageIsLargerThanTheInboxIsNotHeldForEver) {
  Inbox inbox(test_clock, 2, 1'000);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  EXPECT_EQ(*inbox.PostFrom(CallId{2}, Lane::kClients,
                            One(Command(engine::Heartbeat{CallId{2}}, 50'000))),
            Reading::kWait);
  EXPECT_THAT(Take(inbox, 1), ElementsAre(1));
  EXPECT_THAT(Take(inbox, 1), ElementsAre(2));
  EXPECT_THAT(Resumed(inbox), ElementsAre(2));
}

// Whatever a client may make large weighs what it takes, or a million small requests are not small.
TEST(Inbox, WhatARequestHoldsIsCounted) {
  constexpr int64_t kBytes = 100'000;
  constexpr int64_t kSmall = 2'000;
  const std::string large(kBytes, 'x');
  // 400 names of 250 bytes.
  const std::vector<std::string> names(kBytes / 250, std::string(250, 'x'));
  const auto weigh = [](Action action, BodyPtr body = nullptr) {
    return BytesOf(Request{std::move(action), std::move(body)});
  };
  const auto command = [&](engine::Command of) { return weigh(Action(std::move(of))); };
  EXPECT_LT(command(engine::Heartbeat{}), kSmall);

  EXPECT_GE(command(engine::Submit{.spec = {.queue = large}}), kBytes);
  EXPECT_GE(command(engine::Submit{.spec = {.type = large}}), kBytes);
  EXPECT_GE(command(engine::Submit{.spec = {.request_key = large}}), kBytes);
  const auto retry = std::make_shared<engine::RetryPolicy>();
  retry->no_retry_error_types = names;
  EXPECT_GE(command(engine::Submit{.spec = {.retry = retry}}), kBytes);

  EXPECT_GE(command(engine::AttachWorker{.queues = names}), kBytes);
  EXPECT_GE(command(engine::AttachWorker{.pools = {{.types = names}, {.types = names}}}),
            2 * kBytes);
  EXPECT_GE(command(engine::AttachWorker{
                .held_tokens = std::vector<engine::Token>(kBytes / sizeof(engine::Token) + 1)}),
            kBytes);
  EXPECT_GE(command(engine::PollTasks{.queues = names}), kBytes);
  EXPECT_GE(command(engine::PollTasks{.types = names}), kBytes);
  EXPECT_GE(command(engine::PollTasks{.worker_name = large}), kBytes);

  EXPECT_GE(command(engine::EndAttempt{.error = {.type = large}}), kBytes);
  EXPECT_GE(command(engine::EndAttempt{.error = {.message = large}}), kBytes);
  EXPECT_GE(weigh(ReportProgress{.progress = {.message = large}}), kBytes);

  const auto body = [&](Body of) {
    return weigh(engine::Command(engine::Submit{}), std::make_shared<const Body>(std::move(of)));
  };
  EXPECT_GE(body({.bytes = large}), kBytes);
  EXPECT_GE(body({.content_type = large}), kBytes);
  EXPECT_GE(body({.headers = {{large, large}}}), 2 * kBytes);
  // Many that are empty take their places all the same.
  EXPECT_GE(body({.headers = std::vector<std::pair<std::string, std::string>>(1'000)}), 64'000);
  EXPECT_GE(command(engine::PollTasks{.types = std::vector<std::string>(1'000)}), 32'000);
}

TEST(Inbox, ATurnTakesNoMoreThanItsBytesButOneBody) {
  Inbox inbox(test_clock, 100, 1 << 20);
  std::vector<Request> many;
  for (const uint64_t call : {1, 2, 3}) {
    many.push_back(Command(engine::Heartbeat{CallId{call}}, 10'000));
  }
  EXPECT_TRUE(inbox.Post(Lane::kClients, std::move(many)).ok());
  EXPECT_THAT(Take(inbox, 10, Lane::kClients, 15'000), ElementsAre(1, 2));
  EXPECT_THAT(Take(inbox, 10, Lane::kClients, 1), ElementsAre(3));
}

TEST(Inbox, TellsWhenTheOldestCameThatWasNotTaken) {
  TestClock clock;
  Inbox inbox(clock, 100, 1 << 20);
  EXPECT_EQ(inbox.OldestArrivalMs(Lane::kWorkers), INT64_MAX);
  const int64_t first_ms = clock.now_ms;
  std::vector<Request> two;
  for (const uint64_t call : {1, 2}) two.push_back(Command(engine::Heartbeat{CallId{call}}));
  EXPECT_TRUE(inbox.Post(Lane::kWorkers, std::move(two)).ok());
  clock.now_ms += 70;
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{3}}), Lane::kWorkers).ok());
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{4}}), Lane::kClients).ok());
  EXPECT_EQ(inbox.OldestArrivalMs(Lane::kWorkers), first_ms);
  EXPECT_THAT(Take(inbox, 1, Lane::kWorkers), ElementsAre(1));
  EXPECT_EQ(inbox.OldestArrivalMs(Lane::kWorkers), first_ms);
  EXPECT_THAT(Take(inbox, 1, Lane::kWorkers), ElementsAre(2));
  EXPECT_EQ(inbox.OldestArrivalMs(Lane::kWorkers), first_ms + 70);
  EXPECT_THAT(Take(inbox, 1, Lane::kWorkers), ElementsAre(3));
  EXPECT_EQ(inbox.OldestArrivalMs(Lane::kWorkers), INT64_MAX);
}

constexpr uint64_t CallOfClient(uint64_t client, uint64_t number) {
  return (client << engine::kCallNumberBits) | number;
}

TEST(Inbox, AFloodOfOneClientDelaysNoOther) {
  Inbox inbox(test_clock, 1'000, 1 << 20);
  for (uint64_t i = 1; i <= 100; ++i) {
    const CallId call{CallOfClient(1, i)};
    ASSERT_TRUE(Post(inbox, Command(engine::Heartbeat{call}, 100)).ok());
  }
  EXPECT_THAT(Take(inbox, 10), ElementsAre(CallOfClient(1, 1)));
  const uint64_t other = CallOfClient(2, 1);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{other}})).ok());
  EXPECT_THAT(Take(inbox, 10), ElementsAre(other));
  EXPECT_THAT(Take(inbox, 10), ElementsAre(CallOfClient(1, 2)));
}

TEST(Inbox, AClientMayHaveAsMuchAsIsStillFree) {
  Inbox inbox(test_clock, 10, 1 << 20);
  const CallId greedy{CallOfClient(1, 1)};
  const CallId other{CallOfClient(2, 1)};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{greedy})).ok());
  const absl::Status refused = Post(inbox, Command(engine::Heartbeat{greedy}));
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(refused.message(), HasSubstr("this connection has 5 requests"));
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{other})).ok());
  EXPECT_EQ(*inbox.PostFrom(greedy, Lane::kClients, One(Command(engine::Heartbeat{greedy}))),
            Reading::kWait);
  EXPECT_THAT(Resumed(inbox), IsEmpty());
  while (!Take(inbox, 10).empty()) {
  }
  EXPECT_THAT(Resumed(inbox), ElementsAre(static_cast<uint64_t>(greedy)));
}

TEST(Inbox, ClosedItIsUnavailable) {
  Inbox inbox(test_clock, 1, 1 << 20);
  inbox.Close();
  EXPECT_TRUE(absl::IsUnavailable(Post(inbox, Command(engine::CallClosed{CallId{1}}))));
}

TEST(Inbox, AFailedSyncStays) {
  Inbox inbox(test_clock, 1, 1 << 20);
  inbox.Synced(3);
  inbox.Synced(absl::DataLossError("fdatasync: EIO"));
  inbox.Synced(4);
  EXPECT_TRUE(absl::IsDataLoss(inbox.progress().status()));
}

TEST(Inbox, ARequestWakesTheSleeper) {
  Inbox inbox(test_clock, 10, 1 << 20);
  std::thread poster([&] { EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok()); });
  inbox.Wait(kLongMs, {}, LaneSet().set());
  EXPECT_THAT(Take(inbox, 10), ElementsAre(1));
  poster.join();
}

TEST(Inbox, ASyncWakesTheSleeperThatWaitsForNothingElse) {
  Inbox inbox(test_clock, 10, 1 << 20);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  std::thread store([&] { inbox.Synced(1); });
  inbox.WaitForStore({});
  EXPECT_EQ(inbox.progress()->synced, 1u);
  store.join();
}

TEST(Inbox, AWriteWakesTheSleeperThatHasNotSeenIt) {
  Inbox inbox(test_clock, 10, 1 << 20);
  std::thread store([&] {
    inbox.Written(1);
    inbox.Written(2);
    inbox.Written(1);  // never goes back
  });
  inbox.WaitForStore({.written = 1});
  EXPECT_EQ(inbox.progress()->written, 2u);
  EXPECT_EQ(inbox.progress()->synced, 0u);
  store.join();
  std::thread sync([&] {
    inbox.Written(3);
    inbox.Synced(3);
  });
  inbox.WaitForStore({.written = UINT64_MAX});
  EXPECT_EQ(inbox.progress()->synced, 3u);
  sync.join();
}

TEST(Inbox, WhoCannotTakeFromALaneSleepsThoughItHasRequests) {
  Inbox inbox(test_clock, 10, 1 << 20);
  EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{1}})).ok());
  LaneSet workers;
  workers.set(static_cast<size_t>(Lane::kWorkers));
  std::vector<CallId> resumed;
  EXPECT_FALSE(inbox.BeginTurn(workers, resumed));
  EXPECT_TRUE(inbox.BeginTurn(LaneSet().set(), resumed));
  std::thread poster([&] {
    EXPECT_TRUE(Post(inbox, Command(engine::Heartbeat{CallId{2}}), Lane::kWorkers).ok());
  });
  inbox.Wait(kLongMs, {}, workers);
  EXPECT_THAT(Take(inbox, 10, Lane::kWorkers), ElementsAre(2));
  poster.join();
}

}  // namespace
}  // namespace treadle::broker
