#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "treadle/future.h"
#include "treadle/timeout.h"

// Waiting for many futures, as concurrent.futures.wait and as_completed do.

namespace treadle {

// Gathers the ends of many futures. One thread at a time.
class DoneCollector {
 public:
  DoneCollector();
  DoneCollector(DoneCollector&&) noexcept;
  DoneCollector& operator=(DoneCollector&&) noexcept;
  ~DoneCollector();  // stops watching

  // Next will return `index` once the future is done.
  void Watch(const FutureBase& future, size_t index);
  // The index of a future that is done and was not returned before, in the order of their ends;
  // waits for it until `deadline`. None: nothing more is watched, or the deadline passed.
  std::optional<size_t> Next(std::chrono::steady_clock::time_point deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Yields each future when it is done, in the order of their ends:
//
//   for (Future<int>& done : AsCompleted(futures)) Use(done.Result());
//
// The loop ends early when `timeout` has passed since AsCompleted was called; then timed_out() says
// so, and the futures not yielded are in Remaining().
template <typename T>
class [[nodiscard]] CompletedFutures {
 public:
  CompletedFutures(std::vector<Future<T>> futures, Timeout timeout)
      : futures_(std::move(futures)), yielded_(futures_.size()), deadline_(DeadlineAfter(timeout)) {
    for (size_t i = 0; i < futures_.size(); ++i) collector_.Watch(futures_[i], i);
  }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Future<T>;
    using difference_type = std::ptrdiff_t;
    using pointer = Future<T>*;
    using reference = Future<T>&;

    reference operator*() const { return completed_->futures_[*completed_->current_]; }
    pointer operator->() const { return &**this; }
    Iterator& operator++() {
      completed_->Advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !completed_->current_.has_value(); }

   private:
    friend CompletedFutures;
    explicit Iterator(CompletedFutures* completed) : completed_(completed) {}
    CompletedFutures* completed_;
  };

  Iterator begin() {
    Advance();
    return Iterator(this);
  }
  std::default_sentinel_t end() const { return {}; }

  bool timed_out() const { return !current_.has_value() && count_ < futures_.size(); }

  std::vector<Future<T>> Remaining() const {
    std::vector<Future<T>> remaining;
    for (size_t i = 0; i < futures_.size(); ++i) {
      if (!yielded_[i]) remaining.push_back(futures_[i]);
    }
    return remaining;
  }

 private:
  void Advance() {
    current_ = collector_.Next(deadline_);
    if (!current_.has_value()) return;
    yielded_[*current_] = true;
    ++count_;
  }

  std::vector<Future<T>> futures_;
  std::vector<bool> yielded_;
  size_t count_ = 0;
  std::optional<size_t> current_;
  std::chrono::steady_clock::time_point deadline_;
  DoneCollector collector_;
};

template <typename T>
CompletedFutures<T> AsCompleted(std::vector<Future<T>> futures, Timeout timeout = kForever) {
  return CompletedFutures<T>(std::move(futures), timeout);
}

enum class ReturnWhen {
  kFirstCompleted,  // one is done
  kFirstException,  // one is done without success, or all are done
  kAllCompleted,
};

template <typename T>
struct WaitResult {
  std::vector<Future<T>> done;      // in the order given
  std::vector<Future<T>> not_done;  // in the order given
};

// Waits until `return_when` holds or `timeout` has passed. Nothing to wait for: returns at once.
template <typename T>
WaitResult<T> Wait(const std::vector<Future<T>>& futures, Timeout timeout = kForever,
                   ReturnWhen return_when = ReturnWhen::kAllCompleted) {
  const std::chrono::steady_clock::time_point deadline = DeadlineAfter(timeout);
  DoneCollector collector;
  for (size_t i = 0; i < futures.size(); ++i) collector.Watch(futures[i], i);
  while (const std::optional<size_t> done = collector.Next(deadline)) {
    if (return_when == ReturnWhen::kFirstCompleted) break;
    if (return_when == ReturnWhen::kFirstException && !futures[*done].Wait().ok()) break;
  }
  WaitResult<T> result;
  for (const Future<T>& future : futures) {
    (future.Done() ? result.done : result.not_done).push_back(future);
  }
  return result;
}

}  // namespace treadle
