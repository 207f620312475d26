#include "server/engine/attempt_meter.h"

#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

TEST(AttemptMeter, CountsWhatHasEndedInTheWindow) {
  AttemptMeter meter(10'000);
  meter.Add(50'000, 3, 1);
  meter.Add(55'000, 2, 2);
  EXPECT_EQ(meter.InWindow(55'000).ended, 5);
  EXPECT_EQ(meter.InWindow(55'000).failed, 3);
  EXPECT_EQ(meter.InWindow(59'999).ended, 5);
  EXPECT_EQ(meter.InWindow(60'000).ended, 2) << "in tenths of the window";
  EXPECT_EQ(meter.InWindow(65'000).ended, 0);
}

TEST(AttemptMeter, ForgetsAllAfterAQuietTime) {
  AttemptMeter meter(1'000);
  meter.Add(0, 1, 1);
  EXPECT_EQ(meter.InWindow(999).failed, 1);
  meter.Add(1'000'000'000, 1, 0);
  EXPECT_EQ(meter.InWindow(1'000'000'000).ended, 1);
  EXPECT_EQ(meter.InWindow(1'000'000'000).failed, 0);
  meter.Clear();
  EXPECT_EQ(meter.InWindow(1'000'000'000).ended, 0);
}

}  // namespace
}  // namespace treadle::engine
