#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace treadle::client {

// How long to wait before the next attempt to connect: doubling from 50 ms to 2 s, each moved at
// random by up to a quarter either way, so that the clients of a broker that comes back do not all
// arrive at once.
class ReconnectBackoff {
 public:
  ReconnectBackoff() : random_(std::random_device()()) {}

  std::chrono::milliseconds Next() {
    const double jitter = std::uniform_real_distribution<double>(0.75, 1.25)(random_);
    const std::chrono::milliseconds delay(static_cast<int64_t>(delay_ms_ * jitter));
    delay_ms_ = std::min(2 * delay_ms_, kDelayMsMax);
    return delay;
  }

  // After a connection that worked.
  void Reset() { delay_ms_ = kDelayMsMin; }

 private:
  static constexpr double kDelayMsMin = 50;
  static constexpr double kDelayMsMax = 2'000;

  double delay_ms_ = kDelayMsMin;
  std::minstd_rand random_;
};

}  // namespace treadle::client
