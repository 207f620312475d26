#include "server/engine/histogram.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

using ::testing::ElementsAre;

constexpr std::array<int64_t, 3> kBounds = {1, 10, 100};

TEST(Histogram, ABoundBelongsToItsBucketAndWhatIsLargerToTheLast) {
  Histogram<kBounds> histogram;
  for (const int64_t value : {0, 1, 2, 10, 11, 100, 101, 1'000'000}) histogram.Add(value);
  EXPECT_THAT(histogram.counts(), ElementsAre(2, 2, 2, 2));
  EXPECT_EQ(histogram.sum(), 1'000'225U);
  EXPECT_EQ(histogram.count(), 8U);
}

TEST(Histogram, EveryValueFindsItsBucket) {
  for (size_t bucket = 0; bucket < kTimeBoundsMs.size(); ++bucket) {
    for (const int64_t value : {kTimeBoundsMs[bucket] - 1, kTimeBoundsMs[bucket]}) {
      TimeHistogram times;
      times.Add(value);
      const bool is_of_the_one_before = bucket > 0 && value == kTimeBoundsMs[bucket - 1];
      EXPECT_EQ(times.counts()[bucket - (is_of_the_one_before ? 1 : 0)], 1U) << value;
    }
  }
}

TEST(Histogram, ManyOfOneValueAreAddedAtOnce) {
  Histogram<kBounds> one_by_one;
  for (int i = 0; i < 1'000; ++i) one_by_one.Add(7);
  Histogram<kBounds> at_once;
  at_once.Add(7, 1'000);
  EXPECT_EQ(at_once.counts(), one_by_one.counts());
  EXPECT_EQ(at_once.sum(), one_by_one.sum());
}

TEST(Histogram, AClockThatWentBackCountsAsNoTime) {
  Histogram<kBounds> histogram;
  histogram.Add(-5);
  EXPECT_THAT(histogram.counts(), ElementsAre(1, 0, 0, 0));
  EXPECT_EQ(histogram.sum(), 0U);
}

TEST(Histogram, HistogramsAreAddedUp) {
  Histogram<kBounds> sum;
  sum.Add(5);
  Histogram<kBounds> more;
  more.Add(50, 2);
  sum.Add(more);
  EXPECT_THAT(sum.counts(), ElementsAre(0, 1, 2, 0));
  EXPECT_EQ(sum.sum(), 105U);
}

TEST(Histogram, TimesCoverWhatTasksTake) {
  TimeHistogram times;
  times.Add(1);
  times.Add(6 * 3'600'000);
  times.Add(6 * 3'600'000 + 1);
  EXPECT_EQ(times.counts().front(), 1U);
  EXPECT_EQ(times.counts()[TimeHistogram::kBuckets - 2], 1U);
  EXPECT_EQ(times.counts().back(), 1U);
}

}  // namespace
}  // namespace treadle::engine
