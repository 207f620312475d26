#include "server/broker/payload_cache.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"

#include "server/broker/body.h"

namespace treadle::broker {
namespace {

BodyPart Bytes(size_t count) {
  return AllOf(std::make_shared<const Body>(Body{.bytes = std::string(count, 'x')}));
}

TaskId Id(uint64_t sequence) { return TaskId{1, sequence}; }

TEST(PayloadCache, ABodyLeavesWithItsFirstDispatch) {
  PayloadCache cache(1'000'000);
  const BodyPart body = Bytes(10);
  cache.Put(Id(1), body, 1);
  EXPECT_EQ(cache.Take(Id(1), 1).body, body.body);
  EXPECT_EQ(cache.Take(Id(1), 1).body, nullptr);
  EXPECT_EQ(cache.bytes(), 0);
}

TEST(PayloadCache, ThoseOfARunLeaveWithTheLastOfItsTasks) {
  PayloadCache cache(1'000'000);
  const BodyPart body = Bytes(30);
  cache.Put(Id(1), body, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cache.Take(Id(1), 1).body, body.body);
  EXPECT_EQ(cache.Take(Id(1), 1).body, nullptr);
  cache.Put(Id(4), body, 3);
  cache.Take(Id(4), 1);
  cache.Drop(Id(4));  // its other tasks have ended without a dispatch
  EXPECT_EQ(cache.bytes(), 0);
}

TEST(PayloadCache, OfABacklogTheHeadIsKept) {
  PayloadCache cache(10'000);
  for (uint64_t i = 1; i <= 20; ++i) cache.Put(Id(i), Bytes(1'000), 1);
  EXPECT_LE(cache.bytes(), 10'000);
  EXPECT_NE(cache.Take(Id(1), 1).body, nullptr);
  EXPECT_NE(cache.Take(Id(2), 1).body, nullptr);
  EXPECT_EQ(cache.Take(Id(20), 1).body, nullptr);
  EXPECT_FALSE(cache.Has(Id(20)));
}

// As of a queue that is paused while others go on.
TEST(PayloadCache, WhatIsPassedOverAgainAndAgainMakesRoom) {
  PayloadCache cache(10'000);
  for (uint64_t i = 1; i <= 20; ++i) cache.Put(Id(i), Bytes(1'000), 1);
  for (uint64_t i = 100; i < 2'000; ++i) {
    cache.Put(Id(i), Bytes(1'000), 1);
    cache.Take(Id(i), 1);
  }
  EXPECT_EQ(cache.Take(Id(1), 1).body, nullptr);
  for (uint64_t i = 2'000; i < 2'010; ++i) {
    cache.Put(Id(i), Bytes(1'000), 1);
    EXPECT_NE(cache.Take(Id(i), 1).body, nullptr);
  }
}

TEST(PayloadCache, OneLargerThanTheCacheIsNotKept) {
  PayloadCache cache(10'000);
  cache.Put(Id(1), Bytes(100), 1);
  cache.Put(Id(2), Bytes(100'000), 1);
  EXPECT_NE(cache.Take(Id(1), 1).body, nullptr);
  EXPECT_EQ(cache.Take(Id(2), 1).body, nullptr);
}

TEST(PayloadCache, TakenFromTheMiddleKeepsTheOthersInTheirOrder) {
  PayloadCache cache(3'500 + 3 * 256);
  for (uint64_t i = 1; i <= 3; ++i) cache.Put(Id(i), Bytes(1'000), 1);
  EXPECT_NE(cache.Take(Id(2), 1).body, nullptr);
  cache.Put(Id(4), Bytes(1'000), 1);  // in the place that 2 left
  cache.Put(Id(5), Bytes(1'000), 1);
  EXPECT_NE(cache.Take(Id(1), 1).body, nullptr);
  EXPECT_NE(cache.Take(Id(3), 1).body, nullptr);
  EXPECT_NE(cache.Take(Id(4), 1).body, nullptr);
  EXPECT_EQ(cache.Take(Id(5), 1).body, nullptr);
}

TEST(PayloadCache, NewestFirstAndEvictionsAtOnceKeepItsBound) {
  constexpr int64_t kBytesMax = 200'000;
  PayloadCache cache(kBytesMax);
  int missed = 0;
  for (uint64_t i = 1; i <= 50'000; ++i) {
    cache.Put(Id(i), Bytes(i % 300), 1);
    if (i % 3 != 0 && cache.Take(Id(i), 1).body == nullptr) ++missed;
    ASSERT_LE(cache.bytes(), kBytesMax);
  }
  EXPECT_LT(missed, 1'100) << "it takes some to see that what came first is not next";
  EXPECT_GT(cache.size(), 100u);
}

}  // namespace
}  // namespace treadle::broker
