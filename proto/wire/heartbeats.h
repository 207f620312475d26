#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "proto/wire/settings.h"

namespace treadle::wire {

// How often a stream's client says something at least: while it has something to lose, and
// otherwise.
class Heartbeats {
 public:
  Heartbeats() : Heartbeats(kHeartbeatMs, kIdleHeartbeatMs) {}
  // As the broker asks for, within reason. 0: it does not say; for the second it is then as often.
  Heartbeats(int64_t busy_ms, int64_t idle_ms)
      : busy_(Within(busy_ms <= 0 ? kHeartbeatMs : busy_ms)),
        idle_(idle_ms <= 0 ? busy_ : Within(idle_ms)) {}

  std::chrono::milliseconds Every(bool busy) const { return busy ? busy_ : idle_; }

 private:
  static std::chrono::milliseconds Within(int64_t ms) {
    constexpr int64_t kLeastMs = 10;
    return std::chrono::milliseconds(std::clamp(ms, kLeastMs, kIdleHeartbeatMs));
  }

  std::chrono::milliseconds busy_;
  std::chrono::milliseconds idle_;
};

}  // namespace treadle::wire
