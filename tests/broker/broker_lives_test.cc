// A broker's lives: what is given once, and what is still answered in the next one.
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "server/engine/incarnation.h"
#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using engine::AttemptEnd;
using engine::IncarnationAt;
using engine::Token;
using testing::SizeIs;

constexpr int64_t k2026Ms = 1'767'225'600'000;
constexpr int64_t kDayMs = 86'400'000;

uint64_t Number(engine::Incarnation incarnation) { return static_cast<uint64_t>(incarnation); }
uint64_t Number(Token token) { return static_cast<uint64_t>(token); }

TEST(Incarnation, ALaterLifeBeginsAboveAllThatAnEarlierOneCanHaveGiven) {
  const uint64_t first = Number(IncarnationAt(k2026Ms, UINT64_MAX));
  EXPECT_GE(Number(IncarnationAt(k2026Ms + 1'001, 0)), first + 2'048'000);
}

TEST(Incarnation, FitsIntoAJavaScriptNumberForAHundredYears) {
  EXPECT_LT(Number(IncarnationAt(k2026Ms + 100 * 365 * kDayMs, UINT64_MAX)), uint64_t{1} << 53);
}

TEST(Incarnation, LivesOfTheSameMillisecondDiffer) {
  EXPECT_NE(IncarnationAt(k2026Ms, 1), IncarnationAt(k2026Ms, 2));
}

// In 1970, or in the year 9999, a clock knows nothing: neither can bring a life above or among
// those that know the time.
TEST(Incarnation, WithoutTheTimeItIsRandomAndBelowAllThatKnowIt) {
  const uint64_t right = Number(IncarnationAt(k2026Ms, 0));
  for (const int64_t wrong_ms :
       {int64_t{-1}, int64_t{0}, k2026Ms - 1, int64_t{253'402'300'799'000}, INT64_MAX, INT64_MIN}) {
    EXPECT_LT(Number(IncarnationAt(wrong_ms, UINT64_MAX)), right);
    EXPECT_NE(IncarnationAt(wrong_ms, uint64_t{1} << 47), IncarnationAt(wrong_ms, 5));
    EXPECT_NE(Number(IncarnationAt(wrong_ms, 0)), 0u);
  }
}

class BrokerLivesTest : public BrokerTest {
 protected:
  void SetUp() override { options.engine.resume_window_ms = 2'000; }

  // A life over an empty store.
  void BeginWithoutStore() {
    broker = nullptr;
    listener.heard.clear();
    memory = std::make_unique<store::MemoryStore>(clock);
    clock.now_ms += 10;
    broker = std::make_unique<Broker>(options, clock, *memory, listener);
    ASSERT_TRUE(broker->Recover(IncarnationAt(k2026Ms + clock.now_ms, 0), [](int64_t) {}).ok());
    Turn();
  }
  engine::Lease LeaseOne() {
    Tell(engine::PollTasks{.call = kWorker,
                           .queues = {"mail"},
                           .types = {},
                           .worker_name = "ten lines",
                           .lease_ms = 60'000});
    TurnAndFinishSync();
    const std::vector<LeasedRun> leases = TakeLeases();
    EXPECT_THAT(leases, SizeIs(1));
    return leases.at(0).lease;
  }
  absl::Status Report(const engine::Lease& lease, AttemptEnd end) {
    Tell(engine::EndAttempt{.call = kWorker, .token = lease.token, .end = end, .reply = true},
         Bytes("result"));
    TurnAndFinishSync();
    const auto done = listener.Take<engine::ReportDone>();
    EXPECT_THAT(done, SizeIs(1));
    return done.at(0).status;
  }
  void TurnAndFinishSync() {
    Turn();
    if (memory == nullptr) store.FinishSync();
    Turn();
  }

  // Bit by bit: a broker that was away itself keeps everything for longer.
  void PassResumeWindow() {
    for (int64_t passed_ms = 0; passed_ms <= options.engine.resume_window_ms; passed_ms += 100) {
      clock.now_ms += 100;
      TurnAndFinishSync();
    }
  }

  std::unique_ptr<store::MemoryStore> memory;
};

TEST_F(BrokerLivesTest, SessionsTasksAndTokensAreNeverThoseOfAnEarlierLifeWithoutItsStore) {
  BeginWithoutStore();
  const TaskId unary = Submit("payload");
  const engine::Lease lease = LeaseOne();
  Tell(engine::OpenSession{.call = kClient, .secret = {1, 2}});
  Turn();
  const uint64_t session = listener.Take<engine::SessionOpened>().at(0).session;
  for (int life = 0; life < 3; ++life) {
    BeginWithoutStore();
    const TaskId later = Submit("payload");
    EXPECT_GT(later.session, session);
    EXPECT_GT(later.session, unary.session);
    EXPECT_GT(Number(LeaseOne().token), Number(lease.token));
    // Each of two clients that come back asks for its own session: none is the other's.
    Tell(engine::OpenSession{.call = kOther, .secret = {3, 4}});
    Tell(engine::OpenSession{.call = engine::CallId{9}, .session = session, .secret = {1, 2}});
    Turn();
    const auto opened = listener.Take<engine::SessionOpened>();
    ASSERT_THAT(opened, SizeIs(2));
    for (const engine::SessionOpened& one : opened) {
      if (one.call == kOther) {
        EXPECT_GT(one.session, later.session);
      } else {
        EXPECT_TRUE(absl::IsNotFound(one.status)) << one.status;
      }
    }
  }
}

TEST_F(BrokerLivesTest, AWorkerOfAnEarlierLifeCompletesNothing) {
  BeginWithoutStore();
  Submit("payload");
  const engine::Lease before = LeaseOne();
  BeginWithoutStore();
  Submit("payload");
  const engine::Lease now = LeaseOne();
  EXPECT_TRUE(absl::IsAborted(Report(before, AttemptEnd::kSucceeded)));
  EXPECT_EQ(broker->engine().Totals().unfinished_tasks, 1);
  EXPECT_TRUE(Report(now, AttemptEnd::kSucceeded).ok());
}

// The same store as it was earlier: its tasks are the same, its tokens are not.
TEST_F(BrokerLivesTest, ALeaseThatARestoredStoreHasForgottenIsNotTakenForANewOne) {
  incarnation = IncarnationAt(k2026Ms, 7);
  Start();
  const TaskId id = Submit("payload");
  TurnAndFinishSync();
  const std::vector<std::pair<std::string, std::string>> copy = [&] {
    std::vector<std::pair<std::string, std::string>> rows;
    EXPECT_TRUE(store
                    .Scan("", "\xff",
                          [&](std::string_view key, std::string_view value) {
                            rows.emplace_back(key, value);
                            return true;
                          })
                    .ok());
    return rows;
  }();
  const engine::Lease before = LeaseOne();
  ASSERT_EQ(before.task, id);

  HeldStore restored(clock);
  store::WriteBatch batch;
  for (const auto& [key, value] : copy) {
    std::copy(value.begin(), value.end(), batch.Put(key, value.size()));
  }
  ASSERT_TRUE(restored.Append(batch).ok());
  listener.heard.clear();
  broker = std::make_unique<Broker>(options, clock, restored, listener);
  ASSERT_TRUE(broker->Recover(IncarnationAt(k2026Ms + 60'000, 3), [](int64_t) {}).ok());
  restored.FinishSync();
  Turn();
  Tell(engine::PollTasks{.call = kWorker,
                         .queues = {"mail"},
                         .types = {},
                         .worker_name = "ten lines",
                         .lease_ms = 60'000});
  Turn();
  restored.FinishSync();
  Turn();
  const std::vector<LeasedRun> leases = TakeLeases();
  ASSERT_THAT(leases, SizeIs(1));
  EXPECT_EQ(leases[0].lease.task, id);
  EXPECT_GT(Number(leases[0].lease.token), Number(before.token));
  Tell(engine::EndAttempt{.call = kWorker, .token = before.token, .reply = true});
  Turn();
  EXPECT_TRUE(absl::IsAborted(listener.Take<engine::ReportDone>().at(0).status));
}

TEST_F(BrokerLivesTest, AReportThatComesAgainIsAnsweredAsTheFirstTimeAlsoAfterARestart) {
  Start();
  Submit("payload", {.result_ttl_ms = 0});
  const engine::Lease lease = LeaseOne();
  EXPECT_TRUE(Report(lease, AttemptEnd::kSucceeded).ok());
  EXPECT_TRUE(Report(lease, AttemptEnd::kSucceeded).ok());
  EXPECT_TRUE(absl::IsAborted(Report(lease, AttemptEnd::kFailed)));
  Start();
  EXPECT_TRUE(Report(lease, AttemptEnd::kSucceeded).ok());
  EXPECT_TRUE(absl::IsAborted(Report(lease, AttemptEnd::kReleased)));
  EXPECT_EQ(broker->engine().Totals().unfinished_tasks, 0);
}

TEST_F(BrokerLivesTest, AReportThatCameTwiceInOneTurnIsAnsweredTwice) {
  Start();
  Submit("payload");
  const engine::Lease lease = LeaseOne();
  for (int i = 0; i < 2; ++i) {
    Tell(engine::EndAttempt{.call = kWorker, .token = lease.token, .reply = true}, Bytes("result"));
  }
  TurnAndSync();
  const auto done = listener.Take<engine::ReportDone>();
  ASSERT_THAT(done, SizeIs(2));
  EXPECT_TRUE(done[0].status.ok() && done[1].status.ok());
}

// A stream that is opened and over in one turn of a busy broker.
TEST_F(BrokerLivesTest, ASessionThatIsOpenedAndLeftInOneTurnLeavesNothing) {
  Start();
  Tell(engine::OpenSession{.call = kClient, .secret = {1, 2}});
  Post(DeliverOutcomes{kClient, true});
  Tell(engine::CallClosed{kClient});
  TurnAndSync();
  const auto opened = listener.Take<engine::SessionOpened>();
  ASSERT_THAT(opened, SizeIs(1));
  EXPECT_EQ(broker->holdings(), (Holdings{.sessions = 1}));

  for (int i = 0; i < 3; ++i) {
    Tell(engine::OpenSession{.call = kOther, .session = opened[0].session, .secret = {1, 2}});
    Tell(engine::CallClosed{kOther});
    Turn();
  }
  EXPECT_EQ(broker->holdings(), (Holdings{.sessions = 1}));
  PassResumeWindow();
  EXPECT_EQ(broker->holdings(), Holdings{});
}

TEST_F(BrokerLivesTest, WhatEndsLeavesNothing) {
  Start();
  const TaskId id = Submit("payload");
  Tell(engine::OpenSession{.call = kClient});
  Post(WatchTask{kOther, id});
  Post(AwaitTask{kClient, id});
  Attach(1);
  TurnAndSync();
  const engine::Lease lease = TakeLeases().at(0).lease;
  Post(ReportProgress{kWorker, lease.token, {0.5, "half"}});
  Turn();
  EXPECT_NE(broker->holdings().waits, 0);
  EXPECT_NE(broker->holdings().progress, 0);
  Succeed(lease, "result");
  for (const engine::CallId call : {kClient, kOther, kWorker}) Tell(engine::CallClosed{call});
  TurnAndSync();
  PassResumeWindow();
  EXPECT_EQ(broker->holdings(), Holdings{});
}

}  // namespace
}  // namespace treadle::broker
