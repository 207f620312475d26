#include "worker/session/prefetch.h"

#include <algorithm>

namespace treadle::worker {

void Prefetch::Starved() {
  if (fixed_) return;
  const int64_t most = std::min<int64_t>(Pace(), kAdaptiveMax);
  count_ = static_cast<int32_t>(std::max<int64_t>(count_, std::min<int64_t>(most, 2 * count_ + 1)));
}

void Prefetch::Tick() {
  if (fixed_) return;
  count_ = static_cast<int32_t>(std::min<int64_t>(count_, Pace()));
  ended_before_ = ended_now_;
  ended_now_ = 0;
}

}  // namespace treadle::worker
