// Time: what lasts as long as was promised, what follows the wall clock, and what a restart keeps.
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/broker/broker_fixture.h"

namespace treadle::broker {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kYearMs = int64_t{365} * 86'400'000;

class BrokerClockTest : public BrokerTest {
 protected:
  // A unary lease of the one task there is.
  engine::Lease Lease(int64_t lease_ms) {
    Tell(engine::PollTasks{.call = kOther, .queues = {"mail"}, .lease_ms = lease_ms});
    TurnAndSync();
    const std::vector<LeasedRun> leases = TakeLeases();
    EXPECT_THAT(leases, SizeIs(1));
    return leases.at(0).lease;
  }
  void Extend(const engine::Lease& lease, int64_t lease_ms) {
    Tell(engine::ExtendLease{.call = kOther, .token = lease.token, .lease_ms = lease_ms});
  }
  absl::Status Complete(const engine::Lease& lease) {
    Tell(engine::EndAttempt{.call = kOther, .token = lease.token, .reply = true});
    TurnAndSync();
    return listener.Take<engine::ReportDone>().at(0).status;
  }
};

TEST_F(BrokerClockTest, ADelayIsALengthAndARunAtADate) {
  Submit("delayed", {.delay_ms = 6'000});
  Submit("dated", {.run_at_ms = clock.now_ms + 3'600'000});
  Attach(10);
  TurnAndSync();
  clock.wall_set_by_ms = -kYearMs;
  TurnAndSync();
  clock.now_ms += 5'999;
  TurnAndSync();
  EXPECT_THAT(TakeLeases(), IsEmpty());
  clock.now_ms += 1;
  TurnAndSync();
  EXPECT_THAT(TakeLeases(), SizeIs(1));
  clock.wall_set_by_ms = 3'600'000 - 6'001;
  TurnAndSync();
  EXPECT_THAT(TakeLeases(), IsEmpty());
  clock.wall_set_by_ms += 1'000;
  TurnAndSync();
  EXPECT_THAT(TakeLeases(), SizeIs(1));
}

TEST_F(BrokerClockTest, AClockThatIsSetBetweenTwoRunsEndsNothingEarlyAndDelaysNothing) {
  for (const int64_t set_by_ms : {-kYearMs, kYearMs, int64_t{0}}) {
    const std::string key = std::to_string(set_by_ms);
    const TaskId first = Submit("keyed", {.request_key = key, .digest = {1, 2}});
    Attach(1);
    TurnAndSync();
    TurnAndSync();  // its key was looked up
    Succeed(TakeLeases().at(0).lease, "result");
    const TaskId delayed = Submit("delayed", {.queue = "later", .delay_ms = 6'000});
    TurnAndSync();
    listener.heard.clear();

    clock.wall_set_by_ms = set_by_ms;
    clock.now_ms += 2'000;
    Start();
    Submit("keyed", {.request_key = key, .digest = {1, 2}});
    TurnAndSync();
    TurnAndSync();
    const auto answers = listener.Take<engine::Submitted>();
    ASSERT_THAT(answers, SizeIs(1));
    EXPECT_TRUE(answers[0].existing);
    EXPECT_EQ(answers[0].id, first);
    EXPECT_EQ(broker->engine().FindTask(delayed)->state, engine::TaskState::kScheduled);
    clock.now_ms += 4'000;
    TurnAndSync();
    EXPECT_EQ(broker->engine().FindTask(delayed)->state, engine::TaskState::kQueued);
  }
}

TEST_F(BrokerClockTest, TheStoreHearsWhereTheClocksAre) {
  Turn();
  store::Sequence appended = store.appended;
  const auto marked = [&] {
    Turn();
    return std::exchange(appended, store.appended) != store.appended;
  };
  EXPECT_FALSE(marked());
  clock.now_ms += 60'000;
  EXPECT_TRUE(marked());
  EXPECT_FALSE(marked());
  clock.wall_set_by_ms = 5'000;
  EXPECT_TRUE(marked());
  EXPECT_FALSE(marked());
}

TEST_F(BrokerClockTest, OnAFullDiskNothingIsStoredForTheClocksSakeAlone) {
  TurnAndSync();
  store.free_bytes = 0;
  const store::Sequence appended = store.appended;
  clock.now_ms += 60'000;
  clock.wall_set_by_ms = 5'000;
  Turn();
  Turn();
  EXPECT_EQ(store.appended, appended);
  store.free_bytes = INT64_MAX;
  clock.now_ms += 60'000;
  Turn();
  EXPECT_GT(store.appended, appended);
}

TEST_F(BrokerClockTest, AnExtensionThatWasAcknowledgedHoldsOverARestart) {
  Submit("work");
  const engine::Lease lease = Lease(10'000);
  Extend(lease, 60'000);
  Turn();
  EXPECT_THAT(listener.Take<engine::LeaseExtended>(), IsEmpty()) << "it is not on disk yet";
  store.FinishSync();
  Turn();
  const auto extended = listener.Take<engine::LeaseExtended>();
  ASSERT_THAT(extended, SizeIs(1));
  EXPECT_EQ(extended[0].lease_ms, 60'000);
  Start();
  clock.now_ms += 59'000;
  TurnAndSync();
  EXPECT_TRUE(Complete(lease).ok());
}

TEST_F(BrokerClockTest, ExtendingByTheSameLengthAgainWritesNothing) {
  Submit("work");
  const engine::Lease lease = Lease(10'000);
  const store::Sequence appended = store.appended;
  for (int i = 0; i < 10; ++i) {
    clock.now_ms += 5'000;
    Extend(lease, 10'000);
    Turn();
    EXPECT_THAT(listener.Take<engine::LeaseExtended>(), SizeIs(1));
  }
  EXPECT_EQ(store.appended, appended);
  Start();
  clock.now_ms += 9'999;
  TurnAndSync();
  EXPECT_TRUE(Complete(lease).ok());
}

TEST_F(BrokerClockTest, AnAttemptThatTimedOutIsNotGivenOutAgainWhileItsWorkerLives) {
  Submit("work", {.attempt_timeout_ms = 1'000});
  Attach(5);
  TurnAndSync();
  const engine::Lease lease = TakeLeases().at(0).lease;
  Tell(engine::StartAttempt{kWorker, lease.token});
  TurnAndSync();
  for (int i = 0; i < 20; ++i) {
    clock.now_ms += 5'000;
    Tell(engine::Heartbeat{kWorker});
    TurnAndSync();
  }
  EXPECT_THAT(listener.Take<engine::StopAttempt>(), SizeIs(1));
  EXPECT_THAT(TakeLeases(), IsEmpty());
  const auto view = broker->engine().FindTask(lease.task);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->state, engine::TaskState::kRunning);
  EXPECT_EQ(view->stop, engine::StopReason::kAttemptTimeout);
  Tell(engine::EndAttempt{
      .call = kWorker, .token = lease.token, .end = engine::AttemptEnd::kStopped});
  TurnAndSync();
  clock.now_ms += 10'000;
  Tell(engine::Heartbeat{kWorker});
  TurnAndSync();
  EXPECT_THAT(TakeLeases(), SizeIs(1));
}

}  // namespace
}  // namespace treadle::broker
