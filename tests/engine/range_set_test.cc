#include "server/engine/range_set.h"

#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(RangeSet, NumbersInOrderAreOneRange) {
  RangeSet set;
  for (uint64_t n = 1; n <= 1000; ++n) EXPECT_TRUE(set.Add(n));
  EXPECT_THAT(set.ranges(), ElementsAre(Pair(1, 1000)));
  EXPECT_EQ(set.Max(), 1000);
}

TEST(RangeSet, FillingAGapJoinsTwoRanges) {
  RangeSet set;
  set.Add(1);
  set.Add(3);
  EXPECT_THAT(set.ranges(), ElementsAre(Pair(1, 1), Pair(3, 3)));
  EXPECT_FALSE(set.NeedsRange(2));
  set.Add(2);
  EXPECT_THAT(set.ranges(), ElementsAre(Pair(1, 3)));
}

TEST(RangeSet, ManyAtOnceJoinTheirNeighbours) {
  RangeSet set;
  set.Insert(10, 19);
  set.Insert(30, 39);
  set.Insert(5, 9);
  EXPECT_THAT(set.ranges(), ElementsAre(Pair(5, 19), Pair(30, 39)));
  set.Insert(25, 27);
  EXPECT_THAT(set.ranges(), ElementsAre(Pair(5, 19), Pair(25, 27), Pair(30, 39)));
  set.Insert(20, 24);
  set.Insert(28, 29);
  EXPECT_THAT(set.ranges(), ElementsAre(Pair(5, 39)));
}

TEST(RangeSet, AddingTwiceSaysSo) {
  RangeSet set;
  EXPECT_TRUE(set.Add(5));
  EXPECT_FALSE(set.Add(5));
}

TEST(RangeSet, RemovingBelowCutsARangeInTwo) {
  RangeSet set;
  for (const uint64_t n : {1, 2, 3, 4, 8}) set.Add(n);
  set.RemoveBelow(3);
  EXPECT_THAT(set.ranges(), ElementsAre(Pair(3, 4), Pair(8, 8)));
  set.RemoveBelow(9);
  EXPECT_THAT(set.ranges(), IsEmpty());
  EXPECT_EQ(set.Max(), 0);
}

TEST(RangeSet, KnowsTheLargestNumberThereIs) {
  constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
  RangeSet set;
  EXPECT_TRUE(set.NeedsRange(kLargest));
  set.Add(kLargest);
  EXPECT_TRUE(set.Contains(kLargest));
  EXPECT_FALSE(set.NeedsRange(kLargest - 1));
  set.Add(kLargest - 1);
  EXPECT_THAT(set.ranges(), ElementsAre(Pair(kLargest - 1, kLargest)));
}

TEST(RangeSet, RefusesWhatAreNoAscendingRanges) {
  RangeSet set;
  EXPECT_TRUE(set.Assign({{1, 3}, {5, 5}}));
  EXPECT_FALSE(set.Assign({{3, 1}}));
  EXPECT_FALSE(set.Assign({{1, 3}, {4, 5}}));
  EXPECT_FALSE(set.Assign({{5, 6}, {1, 2}}));
  EXPECT_THAT(set.ranges(), ElementsAre(Pair(1, 3), Pair(5, 5)));
}

TEST(RangeSet, AgreesWithASetOverRandomNumbers) {
  std::mt19937 random(11);
  RangeSet ranges;
  std::set<uint64_t> numbers;
  for (int step = 0; step < 5'000; ++step) {
    const uint64_t number = 1 + random() % 400;
    ASSERT_EQ(ranges.Contains(number), numbers.contains(number));
    ASSERT_EQ(ranges.Add(number), numbers.insert(number).second);
    if (step % 50 == 0) {
      const uint64_t floor = random() % 100;
      ranges.RemoveBelow(floor);
      numbers.erase(numbers.begin(), numbers.lower_bound(floor));
    }
    uint64_t count = 0;
    for (const auto& [first, last] : ranges.ranges()) count += last - first + 1;
    ASSERT_EQ(count, numbers.size());
    RangeSet copy;
    ASSERT_TRUE(copy.Assign(ranges.ranges()));
  }
}

}  // namespace
}  // namespace treadle::engine
