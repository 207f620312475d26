#include "proto/support/clock.h"

#include <chrono>

namespace treadle {
namespace {

template <typename ClockType>
int64_t Milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(ClockType::now().time_since_epoch())
      .count();
}

}  // namespace

SystemClock::SystemClock()
    : offset_ms_(Milliseconds<std::chrono::system_clock>() -
                 Milliseconds<std::chrono::steady_clock>()) {}

int64_t SystemClock::NowMs() const {
  return Milliseconds<std::chrono::steady_clock>() + offset_ms_;
}

}  // namespace treadle
