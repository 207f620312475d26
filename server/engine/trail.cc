#include "server/engine/trail.h"

#include <algorithm>

namespace treadle::engine {

void Trail::Note(int64_t now_ms, uint8_t state) {
  if (now() == state) return;
  if (!changes_.empty() && changes_.back().since_ms == now_ms) {
    changes_.pop_back();
    if (now() == state) return;
  }
  if (changes_.size() == kChangesMax) {
    changes_.erase(changes_.begin());
    forgot_some_ = true;
  }
  changes_.push_back({now_ms, state});
}

std::optional<uint8_t> Trail::At(int64_t at_ms) const {
  const auto after = std::upper_bound(
      changes_.begin(), changes_.end(), at_ms,
      [](int64_t moment_ms, const Change& change) { return moment_ms < change.since_ms; });
  if (after != changes_.begin()) return (after - 1)->state;
  return forgot_some_ ? std::nullopt : std::optional<uint8_t>(0);
}

int64_t Trail::NextAfter(int64_t at_ms) const {
  for (const Change& change : changes_) {
    if (change.since_ms > at_ms) return change.since_ms;
  }
  return INT64_MAX;
}

}  // namespace treadle::engine
