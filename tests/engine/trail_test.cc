#include "server/engine/trail.h"

#include <cstdint>
#include <optional>

#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

TEST(Trail, TellsWhatWasWhen) {
  Trail trail;
  EXPECT_EQ(trail.At(5), 0);
  EXPECT_EQ(trail.NextAfter(5), INT64_MAX);
  trail.Note(10, 2);
  trail.Note(20, 2);
  trail.Note(30, 1);
  EXPECT_EQ(trail.now(), 1);
  EXPECT_EQ(trail.At(9), 0);
  EXPECT_EQ(trail.At(10), 2);
  EXPECT_EQ(trail.At(29), 2);
  EXPECT_EQ(trail.At(30), 1);
  EXPECT_EQ(trail.NextAfter(0), 10);
  EXPECT_EQ(trail.NextAfter(10), 30);
}

TEST(Trail, WhatLastedForNoTimeIsNoChange) {
  Trail trail;
  trail.Note(10, 1);
  trail.Note(20, 0);
  trail.Note(20, 1);
  EXPECT_EQ(trail.NextAfter(10), INT64_MAX);
  EXPECT_EQ(trail.now(), 1);
}

TEST(Trail, ForgetsTheOldestAndSaysSo) {
  Trail trail;
  const auto kept = static_cast<int64_t>(Trail::kChangesMax);
  for (int64_t i = 1; i <= kept; ++i) trail.Note(i, static_cast<uint8_t>(i % 2));
  EXPECT_EQ(trail.At(0), 0);
  trail.Note(kept + 1, 2);
  EXPECT_EQ(trail.At(1), std::nullopt);
  EXPECT_EQ(trail.At(2), 0);
  EXPECT_EQ(trail.At(kept + 1), 2);
}

}  // namespace
}  // namespace treadle::engine
