#pragma once

#include <cstdint>

namespace treadle {

// Unix time in milliseconds. Injected wherever time matters, so that tests and the simulator own
// it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowMs() const = 0;
};

// The wall clock as it was at construction, moved on by the steady clock: never goes back, and a
// stepped system clock expires nobody's lease.
class SystemClock final : public Clock {
 public:
  SystemClock();
  int64_t NowMs() const override;

 private:
  int64_t offset_ms_;  // wall minus steady
};

}  // namespace treadle
