#include "server/engine/rate_meter.h"

#include <algorithm>

namespace treadle::engine {

void RateMeter::Advance(int64_t step) {
  const int64_t first_stale = std::max(newest_ + 1, step - kSteps + 1);
  for (int64_t stale = first_stale; stale <= step; ++stale) {
    counts_[static_cast<size_t>(stale % kSteps)] = 0;
  }
  newest_ = step;
}

double RateMeter::PerSecond(int64_t now_ms) const {
  const int64_t oldest = now_ms / kStepMs - kSteps + 1;
  uint64_t sum = 0;
  for (int64_t step = std::max<int64_t>(oldest, newest_ - kSteps + 1); step <= newest_; ++step) {
    if (step >= 0) sum += counts_[static_cast<size_t>(step % kSteps)];
  }
  return static_cast<double>(sum) * 1000.0 / static_cast<double>(kWindowMs);
}

}  // namespace treadle::engine
