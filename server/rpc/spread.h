#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "server/engine/histogram.h"

namespace treadle::rpc {

// How values are distributed. -1: there were none.
struct Spread {
  double mean = -1;
  double p50 = -1;  // half of them are at most that, as far as a histogram's bounds tell
  double p99 = -1;
};

// Of what was added to a histogram between two looks at it.
template <const auto& kBounds>
Spread SpreadOf(const engine::Histogram<kBounds>& since, const engine::Histogram<kBounds>& now) {
  using Values = engine::Histogram<kBounds>;
  // What is counted in pieces may seem to go back a little: see engine::Census.
  const auto added = [](uint64_t before, uint64_t after) {
    return after - std::min(before, after);
  };
  std::array<uint64_t, Values::kBuckets> counts{};
  uint64_t count = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    counts[i] = added(since.counts()[i], now.counts()[i]);
    count += counts[i];
  }
  if (count == 0) return {};
  const auto quantile = [&](double q) {
    const double rank = q * static_cast<double>(count);
    double below = 0;
    for (size_t i = 0; i < kBounds.size(); ++i) {
      const auto in_bucket = static_cast<double>(counts[i]);
      if (in_bucket > 0 && below + in_bucket >= rank) {
        // As if they were spread evenly between the bucket's bounds.
        const double low = i == 0 ? 0 : static_cast<double>(kBounds[i - 1]);
        const double high = static_cast<double>(kBounds[i]);
        return low + (high - low) * (rank - below) / in_bucket;
      }
      below += in_bucket;
    }
    return static_cast<double>(kBounds.back());  // more than that, and how much is not known
  };
  return {.mean = static_cast<double>(added(since.sum(), now.sum())) / static_cast<double>(count),
          .p50 = quantile(0.5),
          .p99 = quantile(0.99)};
}

}  // namespace treadle::rpc
