#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace treadle::engine {

// A vector that grows and shrinks at its end without ever moving more than one segment of it:
// pushing the millionth element costs about what pushing the first one does.
template <typename T>
class LongVector {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  // REQUIRES: the element is there.
  T& operator[](size_t i) { return segments_[i / kSegment][i % kSegment]; }
  const T& operator[](size_t i) const { return segments_[i / kSegment][i % kSegment]; }
  T& back() { return segments_.back().back(); }

  void push_back(T value) {
    if (size_ % kSegment == 0) {
      segments_.emplace_back();
      if (size_ > 0) segments_.back().reserve(kSegment);  // the first one grows as a vector does
    }
    segments_.back().push_back(std::move(value));
    ++size_;
  }
  void pop_back() {
    segments_.back().pop_back();
    --size_;
    if (segments_.back().empty()) segments_.pop_back();
  }

 private:
  static constexpr size_t kSegment = 1024;

  std::vector<std::vector<T>> segments_;  // all but the last one full, and none empty
  size_t size_ = 0;
};

}  // namespace treadle::engine
