#include "server/engine/rate_meter.h"

#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

TEST(RateMeter, NothingHappenedYet) { EXPECT_EQ(RateMeter().PerSecond(1'700'000'000'000), 0); }

TEST(RateMeter, ASteadyRateIsShownAsItIs) {
  RateMeter meter;
  int64_t now = 1'700'000'000'000;
  for (int i = 0; i < 30'000; ++i) meter.Add(now += 1);
  EXPECT_NEAR(meter.PerSecond(now), 1'000, 60);
}

TEST(RateMeter, WhatHappenedLongerAgoThanTheWindowIsForgotten) {
  RateMeter meter;
  meter.Add(50'000, 100);
  EXPECT_EQ(meter.PerSecond(50'000), 10);
  EXPECT_EQ(meter.PerSecond(59'499), 10);
  EXPECT_EQ(meter.PerSecond(60'000), 0);
  EXPECT_EQ(meter.PerSecond(1'000'000), 0);
}

TEST(RateMeter, APauseLeavesNoStaleCounts) {
  RateMeter meter;
  meter.Add(50'000, 100);
  meter.Add(57'000, 1);
  EXPECT_NEAR(meter.PerSecond(57'000), 10.1, 1e-9);
  meter.Add(200'000, 1);
  EXPECT_NEAR(meter.PerSecond(200'000), 0.1, 1e-9);
}

TEST(RateMeter, ClocksThatBeginAtZeroWork) {
  RateMeter meter;
  meter.Add(0);
  meter.Add(400);
  EXPECT_NEAR(meter.PerSecond(400), 0.2, 1e-9);
}

}  // namespace
}  // namespace treadle::engine
