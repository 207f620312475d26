#pragma once

#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "treadle/codec.h"
#include "treadle/future.h"
#include "treadle/timeout.h"

// Waiting for many futures, as concurrent.futures.wait and as_completed do. Futures of several
// types wait together as AnyFuture: AsCompleted(std::vector<AnyFuture>{page, size}).

namespace treadle {

// Future<T> of any T, or AnyFuture.
template <typename F>
concept AnyFutureType = std::derived_from<F, FutureBase>;

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
template <AnyFutureType F>
class [[nodiscard]] CompletedFutures {
 public:
  CompletedFutures(std::vector<F> futures, Timeout timeout)
      : futures_(std::move(futures)), yielded_(futures_.size()), deadline_(DeadlineAfter(timeout)) {
    for (size_t i = 0; i < futures_.size(); ++i) collector_.Watch(futures_[i], i);
  }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = F;
    using difference_type = std::ptrdiff_t;
    using pointer = F*;
    using reference = F&;

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

  std::vector<F> Remaining() const {
    std::vector<F> remaining;
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

  std::vector<F> futures_;
  std::vector<bool> yielded_;
  size_t count_ = 0;
  std::optional<size_t> current_;
  std::chrono::steady_clock::time_point deadline_;
  DoneCollector collector_;
};

template <AnyFutureType F>
CompletedFutures<F> AsCompleted(std::vector<F> futures, Timeout timeout = kForever) {
  return CompletedFutures<F>(std::move(futures), timeout);
}

enum class ReturnWhen {
  kFirstCompleted,  // one is done
  kFirstException,  // one is done without success, or all are done
  kAllCompleted,
};

template <AnyFutureType F>
struct WaitResult {
  std::vector<F> done;      // in the order given
  std::vector<F> not_done;  // in the order given
};

// Waits until `return_when` holds or `timeout` has passed. Nothing to wait for: returns at once.
template <AnyFutureType F>
WaitResult<F> Wait(const std::vector<F>& futures, Timeout timeout = kForever,
                   ReturnWhen return_when = ReturnWhen::kAllCompleted) {
  const std::chrono::steady_clock::time_point deadline = DeadlineAfter(timeout);
  DoneCollector collector;
  for (size_t i = 0; i < futures.size(); ++i) collector.Watch(futures[i], i);
  while (const std::optional<size_t> done = collector.Next(deadline)) {
    if (return_when == ReturnWhen::kFirstCompleted) break;
    if (return_when == ReturnWhen::kFirstException && !futures[*done].Wait().ok()) break;
  }
  WaitResult<F> result;
  for (const F& future : futures) {
    (future.Done() ? result.done : result.not_done).push_back(future);
  }
  return result;
}

// Waits for futures of any types, for so long at most, and gives the result of each:
//
//   const auto [page, size] = WaitAll(fetch, measure);      // absl::StatusOr<...> each
//
// What is not done then is DEADLINE_EXCEEDED without a TaskError, as at Future::Result.
template <typename... T>
std::tuple<ResultOf<T>...> WaitAll(Timeout timeout, const Future<T>&... futures) {
  const std::chrono::steady_clock::time_point deadline = DeadlineAfter(timeout);
  return std::tuple<ResultOf<T>...>{futures.Result(TimeUntil(deadline))...};
}
template <typename... T>
std::tuple<ResultOf<T>...> WaitAll(const Future<T>&... futures) {
  return WaitAll(kForever, futures...);
}

}  // namespace treadle
