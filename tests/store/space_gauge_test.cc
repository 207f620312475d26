#include "server/store/space_gauge.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "server/store/busy_time.h"
#include "server/store/read_thread.h"
#include "tests/store/manual_clock.h"

namespace treadle::store {
namespace {

struct GaugeOnThread {
  GaugeOnThread(std::function<int64_t()> measure, BusyTime& busy)
      : gauge(std::move(measure), thread), thread(busy) {}

  SpaceGauge gauge;
  ReadThread thread;
};

TEST(SpaceGauge, ADeviceThatHangsHoldsUpNobodyAndIsSeenToHang) {
  const ManualClock clock(1'000);
  BusyTime busy(clock);
  std::promise<void> answers;
  std::shared_future<void> answered = answers.get_future().share();
  std::atomic<int> asked = 0;
  GaugeOnThread on_thread(
      [&]() -> int64_t {
        if (++asked == 1) return 100;  // at its opening
        answered.wait();
        return 70;
      },
      busy);
  SpaceGauge& gauge = on_thread.gauge;
  EXPECT_EQ(gauge.Read(), 100);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (busy.since_ms() == BusyTime::kIdle && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_NE(busy.since_ms(), BusyTime::kIdle);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(gauge.Read(), 100);
  EXPECT_EQ(asked, 2);
  answers.set_value();
  while (gauge.Read() != 70 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(gauge.Read(), 70);
}

}  // namespace
}  // namespace treadle::store
