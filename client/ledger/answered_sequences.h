#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

namespace treadle::client {

// Which of a session's submits were answered: all below Floor(), and some above it. Answers come
// mostly in order; one that waits for room in a full queue holds the floor back for as long as it
// waits, so what lies above is kept as ranges.
class AnsweredSequences {
 public:
  // The first that was not answered.
  uint64_t Floor() const { return floor_; }

  // REQUIRES: first <= last.
  void Add(uint64_t first, uint64_t last) {
    if (last < floor_) return;
    first = std::max(first, floor_);
    // Merge with what overlaps or touches.
    auto next = ranges_.upper_bound(first);
    if (next != ranges_.begin() && std::prev(next)->second + 1 >= first) {
      next = std::prev(next);
      first = next->first;
    }
    while (next != ranges_.end() && next->first <= last + 1) {
      last = std::max(last, next->second);
      next = ranges_.erase(next);
    }
    if (first == floor_) {
      floor_ = last + 1;
    } else {
      ranges_.emplace_hint(next, first, last);
    }
  }

 private:
  uint64_t floor_ = 1;
  std::map<uint64_t, uint64_t> ranges_;  // first → last, apart from each other, above floor_
};

}  // namespace treadle::client
