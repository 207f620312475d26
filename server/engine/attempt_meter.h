#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace treadle::engine {

// How many attempts have ended in a sliding window, and how many of them failed, in tenths of the
// window.
class AttemptMeter {
 public:
  // Of 1 s at least.
  explicit AttemptMeter(int64_t window_ms) : step_ms_(window_ms / kSteps) {}

  struct Counts {
    int64_t ended = 0;
    int64_t failed = 0;
  };

  // `now_ms` never goes back.
  void Add(int64_t now_ms, uint32_t ended, uint32_t failed) {
    Counts& step = StepAt(now_ms);
    step.ended += ended;
    step.failed += failed;
  }
  Counts InWindow(int64_t now_ms) {
    StepAt(now_ms);
    Counts sum;
    for (const Counts& step : steps_) {
      sum.ended += step.ended;
      sum.failed += step.failed;
    }
    return sum;
  }
  void Clear() { steps_ = {}; }

 private:
  static constexpr int64_t kSteps = 10;

  Counts& StepAt(int64_t now_ms) {
    const int64_t step = now_ms / step_ms_;
    if (step - newest_ >= kSteps) {
      Clear();
      newest_ = step;
    }
    for (; newest_ < step; ++newest_) steps_[static_cast<size_t>((newest_ + 1) % kSteps)] = {};
    return steps_[static_cast<size_t>(step % kSteps)];
  }

  const int64_t step_ms_;
  std::array<Counts, kSteps> steps_{};
  int64_t newest_ = 0;
};

}  // namespace treadle::engine
