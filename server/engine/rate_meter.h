#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace treadle::engine {

// Events per second, the mean over the last 10 seconds, in steps of half a second.
class RateMeter {
 public:
  static constexpr int64_t kWindowMs = 10'000;

  // `now_ms` never goes back.
  void Add(int64_t now_ms, uint32_t count = 1) {
    const int64_t step = now_ms / kStepMs;
    if (step != newest_) Advance(step);
    counts_[static_cast<size_t>(step % kSteps)] += count;
  }
  double PerSecond(int64_t now_ms) const;

 private:
  static constexpr int64_t kStepMs = 500;
  static constexpr int64_t kSteps = kWindowMs / kStepMs;

  void Advance(int64_t step);

  std::array<uint32_t, kSteps> counts_{};
  int64_t newest_ = 0;  // the step that was last added to
};

}  // namespace treadle::engine
