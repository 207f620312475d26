#pragma once

#include <cstddef>
#include <vector>

#include "worker/pool/attempt.h"

namespace treadle::worker {

// Attempts that wait for a slot, first come first. Each knows its place, so that taking out any of
// them costs the same, and lining up allocates nothing. Not thread-safe: its owner guards it.
class AttemptLine {
 public:
  AttemptLine() = default;
  ~AttemptLine();
  AttemptLine(const AttemptLine&) = delete;
  AttemptLine& operator=(const AttemptLine&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // REQUIRES: it is in no line.
  void PushBack(AttemptPtr attempt);
  // REQUIRES: not empty.
  AttemptPtr PopFront();
  AttemptPtr PopBack();
  // Up to `count`, the last one first.
  std::vector<AttemptPtr> TakeBack(size_t count);
  // False: it is not in this line.
  bool Remove(Attempt& attempt);

 private:
  AttemptPtr first_;
  Attempt* last_ = nullptr;
  size_t size_ = 0;
};

}  // namespace treadle::worker
