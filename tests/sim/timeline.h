#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "absl/functional/any_invocable.h"

#include "proto/support/clock.h"

namespace treadle::sim {

// The true time, which nobody in the run knows, and what is yet to happen.
class Timeline final : public Clock {
 public:
  int64_t NowMs() const override { return now_ms_; }

  void In(int64_t delay_ms, absl::AnyInvocable<void()> what) {
    At(now_ms_ + delay_ms, std::move(what));
  }
  // Things for the same moment happen in the order in which they were put down.
  void At(int64_t at_ms, absl::AnyInvocable<void()> what) {
    events_.emplace(std::pair(at_ms, next_++), std::move(what));
  }
  // Time passes; what is due by then happens, each thing at its moment.
  void Advance(int64_t ms) {
    const int64_t until_ms = now_ms_ + ms;
    while (!events_.empty() && events_.begin()->first.first <= until_ms) {
      auto event = events_.extract(events_.begin());
      if (event.key().first > now_ms_) now_ms_ = event.key().first;
      event.mapped()();
    }
    now_ms_ = until_ms;
  }

 private:
  int64_t now_ms_ = 1'800'000'000'000;  // Treadle's clocks know the time from 2026 on
  uint64_t next_ = 0;
  std::map<std::pair<int64_t, uint64_t>, absl::AnyInvocable<void()>> events_;
};

}  // namespace treadle::sim
