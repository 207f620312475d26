#pragma once

#include <chrono>
#include <concepts>
#include <limits>
#include <ratio>
#include <type_traits>
#include <utility>

namespace treadle {

// A length of time as options have it. It is made from what std::chrono::milliseconds are made
// from. A length that these cannot hold, hours::max() say, is the longest (shortest) that they can,
// which is beyond every bound and refused; std::chrono's own conversion would make some other
// length of it.
class Milliseconds : public std::chrono::milliseconds {
 public:
  constexpr Milliseconds() : Milliseconds(0) {}
  constexpr explicit Milliseconds(rep count) : std::chrono::milliseconds(count) {}
  template <std::integral Rep, typename Period>
  requires std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::milliseconds>
  constexpr Milliseconds(const std::chrono::duration<Rep, Period>& length)
      : Milliseconds(Saturated(length)) {}

 private:
  template <typename Rep, typename Period>
  static constexpr rep Saturated(const std::chrono::duration<Rep, Period>& length) {
    using Limits = std::numeric_limits<rep>;
    constexpr rep kEach = std::ratio_divide<Period, std::milli>::num;
    if (std::cmp_greater(length.count(), Limits::max() / kEach)) return Limits::max();
    if (std::cmp_less(length.count(), Limits::min() / kEach)) return Limits::min();
    return static_cast<rep>(length.count()) * kEach;
  }
};

}  // namespace treadle
