#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace treadle::engine {

// How a measured value is distributed: how often it was at most each of some bounds, ascending, and
// how often more than all of them. Counts only grow, as Prometheus wants its histograms, and take
// the same memory however often something is added. One thread.
template <const auto& kBounds>
class Histogram {
 public:
  static constexpr size_t kBuckets = kBounds.size() + 1;  // the last has no bound

  // `times` times the same value; what is negative counts as 0.
  void Add(int64_t value, uint64_t times = 1) {
    value = std::max<int64_t>(0, value);
    size_t bucket = kFirst[static_cast<size_t>(std::bit_width(static_cast<uint64_t>(value)))];
    while (bucket < kBounds.size() && kBounds[bucket] < value) ++bucket;
    counts_[bucket] += times;
    sum_ += static_cast<uint64_t>(value) * times;
  }
  void Add(const Histogram& more) {
    for (size_t i = 0; i < kBuckets; ++i) counts_[i] += more.counts_[i];
    sum_ += more.sum_;
  }

  static constexpr const auto& bounds() { return kBounds; }
  // Of each bucket alone: those above the bound before it.
  const std::array<uint64_t, kBuckets>& counts() const { return counts_; }
  uint64_t sum() const { return sum_; }
  uint64_t count() const {
    uint64_t count = 0;
    for (const uint64_t one : counts_) count += one;
    return count;
  }

 private:
  // The bucket of the least value that has so many bits: where those that have as many look on.
  static constexpr std::array<uint8_t, 65> kFirst = [] {
    std::array<uint8_t, 65> first{};
    for (size_t bits = 1; bits < first.size(); ++bits) {
      const uint64_t least = uint64_t{1} << (bits - 1);
      while (first[bits] < kBounds.size() && static_cast<uint64_t>(kBounds[first[bits]]) < least) {
        ++first[bits];
      }
    }
    return first;
  }();

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t sum_ = 0;
};

// Milliseconds, each bound about three times the one before: what a quantile says is right within
// that factor, from a millisecond to six hours.
inline constexpr std::array<int64_t, 16> kTimeBoundsMs = {
    1,      3,      10,     30,      100,     300,       1'000,     3'000,
    10'000, 30'000, 60'000, 180'000, 600'000, 1'800'000, 3'600'000, 21'600'000};
using TimeHistogram = Histogram<kTimeBoundsMs>;

}  // namespace treadle::engine
