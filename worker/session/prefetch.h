#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace treadle::worker {

// How many tasks a pool fetches ahead of its free slots.
//
// Too few, and a slot waits for the network after each short task. Too many, and tasks wait here
// while another worker is idle. So the number grows, doubling, whenever a slot stood empty though
// the broker had more; and it never exceeds what the pool gets through in a quarter of a second, as
// measured over the last half. Long tasks are thus never fetched ahead.
class Prefetch {
 public:
  // Call Tick so often.
  static constexpr std::chrono::milliseconds kWindow{250};
  static constexpr int32_t kAdaptiveMax = 20'000;

  // None: adapts itself, from 0 to kAdaptiveMax.
  explicit Prefetch(std::optional<int32_t> fixed)
      : fixed_(fixed.has_value()), count_(fixed.value_or(0)) {}

  bool fixed() const { return fixed_; }
  int32_t count() const { return count_; }
  // How many may be here beyond the slots before the rest is better off elsewhere.
  int64_t surplus_above() const { return 2 * Pace(); }

  // An attempt has ended.
  void Ended() { ++ended_now_; }
  // Tasks have come; a slot had been free, and they used up all that the broker was promised.
  void Starved();
  // A window is over.
  void Tick();

 private:
  // What is used up in a window.
  int64_t Pace() const { return (ended_now_ + ended_before_) / 2; }

  bool fixed_;
  int32_t count_;
  int64_t ended_now_ = 0;
  int64_t ended_before_ = 0;
};

}  // namespace treadle::worker
