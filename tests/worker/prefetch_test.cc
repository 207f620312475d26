#include "worker/session/prefetch.h"

#include <algorithm>
#include <optional>

#include <gtest/gtest.h>

namespace treadle::worker {
namespace {

// One window in which so many tasks end, and a slot stands empty after each of `starved` arrivals.
void Window(Prefetch& prefetch, int ended, int starved) {
  for (int i = 0; i < std::max(ended, starved); ++i) {
    if (i < ended) prefetch.Ended();
    if (i < starved) prefetch.Starved();
  }
  prefetch.Tick();
}

TEST(Prefetch, AFixedNumberStays) {
  Prefetch prefetch(7);
  for (int i = 0; i < 10; ++i) Window(prefetch, 1'000, 1'000);
  EXPECT_EQ(prefetch.count(), 7);
  EXPECT_TRUE(prefetch.fixed());
}

TEST(Prefetch, NothingIsFetchedAheadOfLongTasks) {
  Prefetch prefetch(std::nullopt);
  EXPECT_EQ(prefetch.count(), 0);
  for (int second = 0; second < 10; ++second) {  // one a second
    Window(prefetch, 1, 1);
    EXPECT_EQ(prefetch.count(), 0);
    for (int i = 0; i < 3; ++i) Window(prefetch, 0, 0);
    EXPECT_EQ(prefetch.count(), 0);
  }
}

TEST(Prefetch, ShortTasksAreFetchedAheadAsFastAsTheyAreUsedUp) {
  Prefetch prefetch(std::nullopt);
  Window(prefetch, 10'000, 1'000);
  EXPECT_GE(prefetch.count(), 500);
  EXPECT_LE(prefetch.count(), 5'000);
  Window(prefetch, 10'000, 1'000);
  EXPECT_LE(prefetch.count(), 10'000);
}

TEST(Prefetch, ItGrowsOnlyWhileSlotsStandEmpty) {
  Prefetch prefetch(std::nullopt);
  Window(prefetch, 10'000, 10);
  const int32_t count = prefetch.count();
  for (int i = 0; i < 10; ++i) Window(prefetch, 10'000, 0);
  EXPECT_EQ(prefetch.count(), count);
}

TEST(Prefetch, ItIsBounded) {
  Prefetch prefetch(std::nullopt);
  for (int i = 0; i < 5; ++i) Window(prefetch, 1'000'000, 1'000);
  EXPECT_EQ(prefetch.count(), Prefetch::kAdaptiveMax);
}

TEST(Prefetch, WhenTasksBecomeLongWhatWaitsIsBetterOffElsewhere) {
  Prefetch prefetch(std::nullopt);
  for (int i = 0; i < 3; ++i) Window(prefetch, 1'000, 100);
  EXPECT_GT(prefetch.count(), 0);
  EXPECT_GE(prefetch.surplus_above(), prefetch.count());
  Window(prefetch, 0, 0);
  Window(prefetch, 0, 0);
  EXPECT_EQ(prefetch.count(), 0);
  EXPECT_EQ(prefetch.surplus_above(), 0);
}

}  // namespace
}  // namespace treadle::worker
