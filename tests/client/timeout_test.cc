#include "treadle/timeout.h"

#include <chrono>
#include <limits>

#include <gtest/gtest.h>

namespace treadle {
namespace {

using namespace std::chrono_literals;

TEST(Timeout, DurationsThatDoNotFitAreForEver) {
  EXPECT_EQ(Timeout(std::chrono::hours::max()), kForever);
  EXPECT_EQ(Timeout(std::chrono::seconds::max()), kForever);
  EXPECT_EQ(Timeout(std::chrono::milliseconds::max()), kForever);
  EXPECT_EQ(Timeout(std::chrono::nanoseconds::max()), kForever);
  EXPECT_EQ(Timeout(std::chrono::duration<double>(1e300)), kForever);
  EXPECT_EQ(Timeout(std::chrono::duration<double>(std::numeric_limits<double>::infinity())),
            kForever);
  EXPECT_LT(Timeout(std::chrono::hours::min()), kNoWait);
  EXPECT_EQ(Timeout(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())),
            kNoWait);
  EXPECT_EQ(Timeout(24h * 365 * 292), std::chrono::nanoseconds(24h * 365 * 292));
  EXPECT_EQ(Timeout(1.5s).nanoseconds(), 1'500ms);
  EXPECT_EQ(Timeout(-3s).nanoseconds(), -3s);
}

TEST(Timeout, SumsDoNotOverflow) {
  EXPECT_EQ(kForever + 10s, kForever);
  EXPECT_EQ(Timeout(10s) + kForever, kForever);
  EXPECT_EQ(Timeout(std::chrono::hours::max()) + std::chrono::hours::max(), kForever);
  EXPECT_EQ(Timeout(std::chrono::hours::min()) + -1s, Timeout(std::chrono::hours::min()));
  EXPECT_EQ(Timeout(2s) + 1s, Timeout(3s));
}

TEST(Timeout, DeadlinesDoNotOverflow) {
  EXPECT_EQ(DeadlineAfter(kForever), std::chrono::steady_clock::time_point::max());
  EXPECT_EQ(CallDeadline(std::chrono::hours::max()), std::chrono::system_clock::time_point::max());
  // Fits into the type, but not when the time since the epoch is added.
  EXPECT_EQ(CallDeadline(24h * 365 * 292), std::chrono::system_clock::time_point::max());
  EXPECT_LT(DeadlineAfter(std::chrono::hours::min()), std::chrono::steady_clock::now());
  const auto before = std::chrono::steady_clock::now();
  EXPECT_GE(DeadlineAfter(5s), before + 5s);
}

}  // namespace
}  // namespace treadle
