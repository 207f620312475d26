#include "server/engine/retry.h"

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

RetryPolicy WithoutJitter() {
  RetryPolicy policy;
  policy.jitter = 0;
  return policy;
}

TEST(Retry, TheWaitGrowsByTheMultiplierUpToTheCap) {
  const RetryPolicy policy = WithoutJitter();
  const TaskId task{1, 1};
  EXPECT_EQ(BackoffMs(policy, task, 1), 1'000);
  EXPECT_EQ(BackoffMs(policy, task, 2), 2'000);
  EXPECT_EQ(BackoffMs(policy, task, 6), 32'000);
  EXPECT_EQ(BackoffMs(policy, task, 7), 60'000);
  EXPECT_EQ(BackoffMs(policy, task, 1'000), 60'000);
}

// In no more steps than the number of attempts has bits.
TEST(Retry, AMultiplierJustAboveOneGrowsAsLongAsItTakes) {
  RetryPolicy policy = WithoutJitter();
  policy.multiplier = 1.000001;
  policy.max_delay_ms = 1'000'000;
  EXPECT_NEAR(BackoffMs(policy, TaskId{1, 1}, 1'000'001), 2'718, 1);
  EXPECT_EQ(BackoffMs(policy, TaskId{1, 1}, 2'000'000'000), 1'000'000);
  policy.initial_delay_ms = 0;
  EXPECT_EQ(BackoffMs(policy, TaskId{1, 1}, 2'000'000'000), 0);
}

TEST(Retry, ACapBelowTheFirstDelayHolds) {
  RetryPolicy policy = WithoutJitter();
  policy.max_delay_ms = 300;
  EXPECT_EQ(BackoffMs(policy, TaskId{1, 1}, 1), 300);
}

TEST(Retry, JitterStaysWithinItsShareAndSpreads) {
  RetryPolicy policy;
  policy.jitter = 0.25;
  std::set<int64_t> waits;
  for (uint64_t sequence = 1; sequence <= 1'000; ++sequence) {
    const int64_t wait = BackoffMs(policy, TaskId{1, sequence}, 1);
    EXPECT_GE(wait, 750);
    EXPECT_LE(wait, 1'250);
    waits.insert(wait);
  }
  EXPECT_GT(waits.size(), 300);
  EXPECT_LT(*waits.begin(), 800);
  EXPECT_GT(*waits.rbegin(), 1'200);
}

TEST(Retry, TheSameTaskAndAttemptWaitTheSameInEveryReplay) {
  const RetryPolicy policy;
  EXPECT_EQ(BackoffMs(policy, TaskId{3, 5}, 2), BackoffMs(policy, TaskId{3, 5}, 2));
}

TEST(Retry, PermanentErrorsAndListedTypesAreNotRetried) {
  RetryPolicy policy;
  policy.no_retry_error_types = {"BadInput"};
  EXPECT_TRUE(MayRetry(policy, TaskError{"Oops"}));
  EXPECT_FALSE(MayRetry(policy, TaskError{"BadInput"}));
  EXPECT_TRUE(MayRetry(policy, TaskError{"BadInputs"}));
  TaskError permanent{"Oops"};
  permanent.permanent = true;
  EXPECT_FALSE(MayRetry(policy, permanent));
}

}  // namespace
}  // namespace treadle::engine
