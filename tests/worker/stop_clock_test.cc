#include "worker/session/stop_clock.h"

#include <chrono>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/worker/pool/meeting.h"
#include "tests/worker/pool/recording_events.h"
#include "worker/pool/handlers.h"
#include "worker/pool/manual_pool.h"

namespace treadle::worker {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

class StopClockTest : public ::testing::Test {
 protected:
  StopClockTest() { EXPECT_TRUE(clock_.Start().ok()); }

  // An attempt that ends so long from now.
  static AttemptPtr Ending(uint64_t token, steady_clock::duration from_now) {
    AttemptInfo info;
    info.deadline = steady_clock::now() + from_now;
    return std::make_shared<Attempt>(AttemptId{"", token}, std::move(info), "");
  }
  // Waits until it was told to stop.
  static StopReason Await(const AttemptPtr& attempt) {
    Door told;
    const std::stop_callback tell(attempt->stop_token(), [&told] { told.Open(); });
    EXPECT_TRUE(told.Pass());
    return attempt->stop_reason();
  }

  ManualPool pool_{1, 1, std::make_shared<Handlers>(), std::make_shared<RecordingEvents>()};
  StopClock clock_;
};

TEST_F(StopClockTest, WhatIsOverIsStopped) {
  const AttemptPtr attempt = Ending(1, milliseconds(5));
  clock_.Watch(pool_, attempt);
  EXPECT_EQ(Await(attempt), StopReason::kDeadline);
}

TEST_F(StopClockTest, AnEarlierEndOvertakesALaterOne) {
  const AttemptPtr late = Ending(1, hours(1)), soon = Ending(2, milliseconds(1));
  clock_.Watch(pool_, late);
  clock_.Watch(pool_, soon);
  EXPECT_EQ(Await(soon), StopReason::kDeadline);
  EXPECT_EQ(late->stop_reason(), StopReason::kNone);
}

TEST_F(StopClockTest, ManyMayEndAtTheSameTime) {
  const auto now = steady_clock::now();
  std::vector<AttemptPtr> attempts;
  for (uint64_t token = 1; token <= 100; ++token) {
    AttemptInfo info;
    info.deadline = now + milliseconds(2);
    attempts.push_back(std::make_shared<Attempt>(AttemptId{"", token}, std::move(info), ""));
    clock_.Watch(pool_, attempts.back());
  }
  for (const AttemptPtr& attempt : attempts) EXPECT_EQ(Await(attempt), StopReason::kDeadline);
}

TEST_F(StopClockTest, WhatWasForgottenIsLeftAlone) {
  const AttemptPtr forgotten = Ending(1, milliseconds(5)), other = Ending(2, milliseconds(10));
  clock_.Watch(pool_, forgotten);
  clock_.Watch(pool_, other);
  clock_.Forget(*forgotten);
  clock_.Forget(*forgotten);
  EXPECT_EQ(Await(other), StopReason::kDeadline);
  EXPECT_EQ(forgotten->stop_reason(), StopReason::kNone);
}

TEST_F(StopClockTest, WhatNothingBoundsIsNotWatched) {
  const AttemptPtr attempt = NewAttempt(1, "type");
  clock_.Watch(pool_, attempt);
  clock_.Forget(*attempt);
  clock_.StopNow(pool_, attempt, StopReason::kCancelled);
  EXPECT_EQ(Await(attempt), StopReason::kCancelled);
}

TEST_F(StopClockTest, CloseEndsItWithoutStoppingAnybody) {
  const AttemptPtr attempt = Ending(1, hours(1));
  clock_.Watch(pool_, attempt);
  clock_.Close();
  clock_.Close();
  EXPECT_EQ(attempt->stop_reason(), StopReason::kNone);
}

}  // namespace
}  // namespace treadle::worker
