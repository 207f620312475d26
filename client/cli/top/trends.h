#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "client/cli/top/snapshot.h"

namespace treadle::cli::top {

// How queues went in the last polls: the broker tells how they are now. Bounded by their number.
class Trends {
 public:
  static constexpr size_t kSamplesMax = 120;
  // Dead letters that have come within this are news.
  static constexpr int64_t kNewsMs = 60'000;

  // `now_ms`: of a clock that never goes back.
  void Add(const Snapshot& snapshot, int64_t now_ms);

  // Rates, the oldest first; none of a queue that is not known.
  std::vector<double> In(const std::string& queue) const;
  std::vector<double> Out(const std::string& queue) const;
  // What these rates cover. 0: one sample, or none.
  int64_t CoveredMs(const std::string& queue) const;

  // Of all queues together, and of the one that has most of it: how many more dead letters there
  // are than at the beginning of kNewsMs.
  struct Growth {
    int64_t dead_letters = 0;
    std::string queue;
  };
  Growth DeadLetters() const;

 private:
  struct Sample {
    float in = 0;
    float out = 0;
    int64_t dead_letters = 0;
  };
  struct Queue {
    std::vector<Sample> samples;  // the newest last, as times_ has them
    int64_t seen_ms = 0;
  };

  std::vector<double> Rates(const std::string& queue, float Sample::*rate) const;

  std::vector<int64_t> times_;
  absl::flat_hash_map<std::string, Queue> queues_;
};

}  // namespace treadle::cli::top
