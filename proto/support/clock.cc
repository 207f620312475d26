#include "proto/support/clock.h"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <time.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "proto/support/assert.h"

namespace treadle {
namespace {

// Rounded.
std::string Seconds(int64_t ms) {
  return absl::FormatDuration(
      absl::Trunc(absl::Milliseconds(std::abs(ms) + 500), absl::Seconds(1)));
}

std::string DescribeStep(int64_t by_ms) {
  return absl::StrCat("the clock was set ", by_ms < 0 ? "back" : "forward", " by ", Seconds(by_ms),
                      ": run-at times and deadlines follow it; leases, delays, timeouts, results "
                      "and request keys last as long as before");
}

}  // namespace

int64_t SystemMachineClock::SinceBootMs() const {
  timespec now{};
  TREADLE_ASSERT(::clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  return int64_t{now.tv_sec} * 1'000 + now.tv_nsec / 1'000'000;
}

int64_t SystemMachineClock::UnixMs() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string SystemMachineClock::BootId() const {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

ServiceClock::ServiceClock(const MachineClock& machine, Tell tell)
    : machine_(machine), tell_(std::move(tell)), boot_id_(machine.BootId()) {}

int64_t ServiceClock::NowMs() const {
  if (!runs_.load(std::memory_order_acquire)) return std::numeric_limits<int64_t>::min();
  return machine_.SinceBootMs() + base_ms_.load(std::memory_order_relaxed);
}

void ServiceClock::Continue(const std::optional<ClockMark>& last) {
  const int64_t since_boot_ms = machine_.SinceBootMs();
  const int64_t wall_ms = machine_.UnixMs();
  int64_t now_ms = wall_ms;
  std::string news;
  if (last.has_value()) {
    const int64_t by_wall_ms = wall_ms - last->wall_ms;
    const bool same_boot =
        !boot_id_.empty() && boot_id_ == last->boot_id && since_boot_ms >= last->since_boot_ms;
    const int64_t by_boot_ms = since_boot_ms - last->since_boot_ms;
    const bool possible = by_wall_ms >= 0 && by_wall_ms <= kDowntimeMsMax;
    now_ms = last->now_ms + (same_boot ? by_boot_ms : possible ? by_wall_ms : 0);
    const int64_t stepped_ms = by_wall_ms - by_boot_ms;
    if (same_boot && std::abs(stepped_ms) >= kStepMs) {
      news = DescribeStep(stepped_ms);
    } else if (!same_boot && by_wall_ms < 0) {
      news = absl::StrCat(
          "the clock is ", Seconds(by_wall_ms),
          " behind what this store has seen: delays, results and request keys go on from where "
          "they were; run-at times and deadlines wait for the clock: check the machine's time");
    } else if (!same_boot && !possible) {
      news =
          absl::StrCat("the clock is ", Seconds(by_wall_ms),
                       " ahead of what this store has seen, which is taken for a clock that was "
                       "set: delays, results and request keys go on from where they were; run-at "
                       "times and deadlines follow the clock: check the machine's time");
    }
  }
  base_ms_ = now_ms - since_boot_ms;
  offset_ms_ = wall_ms - now_ms;
  runs_.store(true, std::memory_order_release);
  if (!news.empty() && tell_) tell_(news);
}

bool ServiceClock::Follow() {
  const int64_t measured_ms = machine_.UnixMs() - NowMs();
  const int64_t change_ms = measured_ms - offset_ms_.load(std::memory_order_relaxed);
  if (std::abs(change_ms) < kFollowMs) return false;
  offset_ms_.store(measured_ms, std::memory_order_relaxed);
  if (std::abs(change_ms) < kStepMs) return false;
  if (tell_) tell_(DescribeStep(change_ms));
  return true;
}

ClockMark ServiceClock::Mark() const {
  const int64_t since_boot_ms = machine_.SinceBootMs();
  return {.now_ms = since_boot_ms + base_ms_.load(std::memory_order_relaxed),
          .wall_ms = machine_.UnixMs(),
          .since_boot_ms = since_boot_ms,
          .boot_id = boot_id_};
}

}  // namespace treadle
