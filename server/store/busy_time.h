#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "proto/support/clock.h"

namespace treadle::store {

// Since when one thread has been at a call that may take long, for other threads to see.
class BusyTime {
 public:
  static constexpr int64_t kIdle = std::numeric_limits<int64_t>::max();

  // `clock` outlives it.
  explicit BusyTime(const Clock& clock) : clock_(clock) {}

  // kIdle: not under way. Any thread.
  int64_t since_ms() const { return since_ms_.load(std::memory_order_relaxed); }

  // The call, from here to the end of the scope.
  class Span {
   public:
    explicit Span(BusyTime& time) : time_(time) {
      time_.since_ms_.store(time_.clock_.NowMs(), std::memory_order_relaxed);
    }
    ~Span() { time_.since_ms_.store(kIdle, std::memory_order_relaxed); }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    BusyTime& time_;
  };

 private:
  const Clock& clock_;
  std::atomic<int64_t> since_ms_ = kIdle;
};

}  // namespace treadle::store
