#pragma once

#include <chrono>

namespace treadle {

// How long a call may wait. Every std::chrono duration converts to it: Result(200ms), Wait(fs, 5s).
using Timeout = std::chrono::nanoseconds;

inline constexpr Timeout kForever = Timeout::max();

}  // namespace treadle
