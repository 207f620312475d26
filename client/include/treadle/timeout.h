#pragma once

#include <chrono>
#include <compare>

namespace treadle {

// How long a call may wait. Every std::chrono duration converts to it: Result(200ms), Wait(fs, 5s).
// One that is too long for nanoseconds (300 years, hours::max()) is kForever; a negative one has
// passed already.
class Timeout {
 public:
  constexpr Timeout() = default;  // does not wait
  template <typename Rep, typename Period>
  constexpr Timeout(const std::chrono::duration<Rep, Period>& duration)
      : nanoseconds_(Saturated(duration)) {}

  constexpr std::chrono::nanoseconds nanoseconds() const { return nanoseconds_; }

  constexpr auto operator<=>(const Timeout&) const = default;

 private:
  template <typename Rep, typename Period>
  static constexpr std::chrono::nanoseconds Saturated(
      const std::chrono::duration<Rep, Period>& duration) {
    using std::chrono::nanoseconds;
    const auto wide = std::chrono::duration<long double, std::nano>(duration).count();
    if (wide >= static_cast<long double>(nanoseconds::max().count())) return nanoseconds::max();
    if (wide <= static_cast<long double>(nanoseconds::min().count())) return nanoseconds::min();
    if (wide != wide) return nanoseconds::zero();
    return std::chrono::duration_cast<nanoseconds>(duration);
  }

  std::chrono::nanoseconds nanoseconds_{0};
};

constexpr Timeout operator+(Timeout a, Timeout b) {
  using std::chrono::nanoseconds;
  const nanoseconds left = a.nanoseconds();
  const nanoseconds right = b.nanoseconds();
  if (left > nanoseconds::zero() && right > nanoseconds::max() - left) return nanoseconds::max();
  if (left < nanoseconds::zero() && right < nanoseconds::min() - left) return nanoseconds::min();
  return left + right;
}

inline constexpr Timeout kNoWait = Timeout();
inline constexpr Timeout kForever = std::chrono::nanoseconds::max();

// Now plus `timeout`, on the clock of timers or of gRPC's deadlines; its max() when there is none.
inline std::chrono::steady_clock::time_point DeadlineAfter(Timeout timeout) {
  using std::chrono::steady_clock;
  const steady_clock::time_point now = steady_clock::now();
  if (timeout.nanoseconds() >= steady_clock::time_point::max() - now) {
    return steady_clock::time_point::max();
  }
  return now + timeout.nanoseconds();
}
// What is left until then; kForever until its max().
inline Timeout TimeUntil(std::chrono::steady_clock::time_point deadline) {
  if (deadline == std::chrono::steady_clock::time_point::max()) return kForever;
  return deadline - std::chrono::steady_clock::now();
}
inline std::chrono::system_clock::time_point CallDeadline(Timeout timeout) {
  using std::chrono::system_clock;
  const system_clock::time_point now = system_clock::now();
  if (timeout.nanoseconds() >= system_clock::time_point::max() - now) {
    return system_clock::time_point::max();
  }
  return now + timeout.nanoseconds();
}

}  // namespace treadle
