#pragma once

#include <cstddef>
#include <iterator>
#include <optional>

namespace treadle::internal {

// Goes through what `results.Next()` gives until it gives none, for range-for loops over results
// that are waited for one by one. `current`, which the results own, holds the one at hand.
template <typename Results, typename Value>
class NextIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Value;
  using difference_type = std::ptrdiff_t;
  using pointer = Value*;
  using reference = Value&;

  // Already at the first one.
  NextIterator(Results& results, std::optional<Value>& current)
      : results_(&results), current_(&current) {
    ++*this;
  }

  reference operator*() const { return **current_; }
  pointer operator->() const { return &**this; }
  NextIterator& operator++() {
    *current_ = results_->Next();
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const { return !current_->has_value(); }

 private:
  Results* results_;
  std::optional<Value>* current_;
};

}  // namespace treadle::internal
