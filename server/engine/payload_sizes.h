#pragma once

#include <cstdint>
#include <vector>

namespace treadle::engine {

// How many bytes the payload of each task of a run has, and so where it begins among them all.
// Where they are of one size, as in most runs, a task costs nothing here, and 4 bytes where they
// are not.
class PayloadSizes {
 public:
  // Of one task.
  explicit PayloadSizes(uint64_t bytes) : count_(1), each_(bytes) {}
  // One for each task. REQUIRES: not empty; below 4 GiB together.
  explicit PayloadSizes(const std::vector<uint32_t>& sizes);

  uint32_t count() const { return count_; }
  // Where the payload of the task with this index begins. REQUIRES: index <= count(); of count()
  // itself: how many bytes there are.
  uint64_t BeginOf(uint32_t index) const {
    if (ends_.empty()) return index * each_;
    return index == 0 ? 0 : ends_[index - 1];
  }
  // Of the tasks [begin, end).
  uint64_t Bytes(uint32_t begin, uint32_t end) const { return BeginOf(end) - BeginOf(begin); }

 private:
  uint32_t count_;
  uint64_t each_ = 0;
  std::vector<uint32_t> ends_;  // empty: each has `each_` bytes
};

}  // namespace treadle::engine
