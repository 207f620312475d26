#include <atomic>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/fake_broker.h"
#include "tests/worker/live_session.h"
#include "tests/worker/pool/meeting.h"
#include "worker/session/session.h"

// How a worker leaves.

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class SessionDrainTest : public ::testing::Test {
 protected:
  SessionDrainTest() : live_(broker_) {
    live_.Handle("wait", [this](TaskContext&, std::string) {
      EXPECT_TRUE(door_.Pass());
      return AttemptResult::Succeeded("waited", "");
    });
    live_.Handle("wait_for_stop", [this](TaskContext& context, std::string) {
      EXPECT_FALSE(context.SleepFor(kGenerous));
      reason_ = context.stop_reason();
      return AttemptResult::Failed("Told", "to stop");
    });
    live_.options.drain_timeout = kGenerous;
  }
  ~SessionDrainTest() override { door_.Open(); }

  void Start(int slots, int prefetch) {
    live_.Start(slots, prefetch);
    ASSERT_TRUE(broker_.WaitForCredit(slots + prefetch));
  }
  void StartWith(const std::string& type) {
    Start(1, 2);
    for (uint64_t token = 1; token <= 3; ++token) broker_.SendTask(TaskOf(token, type));
    ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  }
  bool told_drain() {
    for (const FakeBroker::Message& message : broker_.messages()) {
      if (message.request.drain()) return true;
    }
    return false;
  }
  v1::AttemptEnd EndOf(uint64_t token) {
    EXPECT_TRUE(broker_.WaitUntil([&] { return broker_.report(token).has_value(); }));
    return broker_.report(token).value_or(v1::AttemptReport()).end();
  }

  FakeBroker broker_;
  Door door_;
  std::atomic<StopReason> reason_{StopReason::kNone};
  LiveSession live_;
};

TEST_F(SessionDrainTest, AnIdleWorkerLeavesAtOnceAndInOrder) {
  Start(1, 0);
  live_.session().Drain();
  EXPECT_TRUE(live_.Join().ok());
  EXPECT_TRUE(told_drain());
  EXPECT_TRUE(broker_.WaitUntil([&] { return broker_.closed_cleanly(1); }));
}

TEST_F(SessionDrainTest, WhatWaitsIsHandedBackAtOnceAndWhatRunsIsFinished) {
  StartWith("wait");
  live_.session().Drain();
  EXPECT_EQ(EndOf(2), v1::ATTEMPT_END_RELEASED);
  EXPECT_EQ(EndOf(3), v1::ATTEMPT_END_RELEASED);
  EXPECT_TRUE(broker_.WaitUntil([&] { return told_drain(); }));
  EXPECT_FALSE(broker_.report(1).has_value());
  door_.Open();
  EXPECT_TRUE(live_.Join().ok());
  EXPECT_EQ(EndOf(1), v1::ATTEMPT_END_SUCCEEDED);
  EXPECT_EQ(live_.abandoned(), 0);
  EXPECT_EQ(broker_.credit(), 3) << "a draining worker asks for nothing";
}

TEST_F(SessionDrainTest, ATaskThatWasUnderWayToADrainingWorkerIsHandedBack) {
  StartWith("wait");
  live_.session().Drain();
  ASSERT_TRUE(broker_.WaitUntil([&] { return told_drain(); }));
  broker_.SendTask(TaskOf(9, "wait"));
  EXPECT_EQ(EndOf(9), v1::ATTEMPT_END_RELEASED);
  door_.Open();
  EXPECT_TRUE(live_.Join().ok());
}

TEST_F(SessionDrainTest, AfterTheDrainTimeoutWhatRunsIsToldToStop) {
  live_.options.drain_timeout = milliseconds(10);
  live_.options.stop_grace = kGenerous;
  StartWith("wait_for_stop");
  live_.session().Drain();
  EXPECT_TRUE(live_.Join().ok());
  EXPECT_EQ(reason_, StopReason::kShutdown);
  EXPECT_EQ(EndOf(1), v1::ATTEMPT_END_RELEASED) << "it costs no attempt";
}

TEST_F(SessionDrainTest, WhatDoesNotStopIsHandedBackAsItIs) {
  live_.options.drain_timeout = milliseconds(10);
  live_.options.stop_grace = milliseconds(10);
  StartWith("wait");
  live_.session().Drain();
  EXPECT_TRUE(live_.Join().ok());
  EXPECT_EQ(live_.abandoned(), 1);
  EXPECT_EQ(EndOf(1), v1::ATTEMPT_END_RELEASED);
  EXPECT_EQ(broker_.reports().size(), 3);
}

TEST_F(SessionDrainTest, ADrainGoesOnOverALostStream) {
  StartWith("wait");
  live_.session().Drain();
  ASSERT_TRUE(broker_.WaitForReports(2));
  broker_.Cut();
  ASSERT_TRUE(broker_.WaitForStreams(2));
  door_.Open();
  EXPECT_TRUE(live_.Join().ok());
  EXPECT_EQ(EndOf(1), v1::ATTEMPT_END_SUCCEEDED);
  EXPECT_EQ(broker_.credit(), 0) << "of the second stream";
}

TEST_F(SessionDrainTest, ReportsThatNobodyAcknowledgesAreWaitedForInVain) {
  live_.options.drain_timeout = milliseconds(10);
  live_.options.report_timeout = milliseconds(50);
  StartWith("wait");
  broker_.Acknowledge(false);
  door_.Open();
  live_.session().Drain();
  const absl::Status status = live_.Join();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("did not acknowledge"));
}

TEST_F(SessionDrainTest, AWorkerThatNeverFoundItsBrokerLeavesAtOnce) {
  broker_.Stop();
  live_.Start(1, 0);
  live_.session().Drain();
  EXPECT_TRUE(live_.Join().ok());
}

TEST_F(SessionDrainTest, DrainBeforeTheStartIsHeard) {
  live_.Start(1, 0);
  live_.session().Drain();
  live_.session().Drain();
  EXPECT_TRUE(live_.Join().ok());
}

TEST_F(SessionDrainTest, AbortWaitsForNothing) {
  StartWith("wait");
  live_.session().Drain();
  live_.session().Abort();
  EXPECT_EQ(live_.Join().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(live_.abandoned(), 1);
}

TEST_F(SessionDrainTest, AStartThatCannotBeConfirmedDoesNotHoldUpADrain) {
  std::atomic<bool> beginning = false;
  live_.before_begin = [&](uint64_t token) {
    if (token == 2) beginning = true;
  };
  // What its end must not wait for.
  live_.options.drain_timeout = live_.options.stop_grace = std::chrono::hours(1);
  Start(1, 1);
  broker_.SendTask(TaskOf(1, "wait"));
  v1::LeasedTask second = TaskOf(2, "echo");
  second.set_confirm_start(true);
  broker_.SendTask(second);
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  broker_.WelcomeNobody();
  broker_.Cut();
  ASSERT_TRUE(broker_.WaitForStreams(2));
  door_.Open();
  ASSERT_TRUE(broker_.WaitUntil([&] { return beginning.load(); }));
  live_.session().Drain();
  broker_.Welcome(v1::Welcome());
  broker_.Cut();
  EXPECT_EQ(EndOf(2), v1::ATTEMPT_END_RELEASED);
  EXPECT_TRUE(live_.Join().ok());
}

}  // namespace
}  // namespace treadle::worker
