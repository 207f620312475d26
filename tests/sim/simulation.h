#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/sim/oracle.h"

namespace treadle::sim {

struct RunOptions {
  uint64_t seed = 1;
  // Of the safety phase, with faults. The liveness phase that follows takes as many as it needs, up
  // to a bound.
  int64_t steps = 200;
  bool print = false;
  // The break that a test must find: outputs that wait for the disk leave at once.
  bool skip_fsync_wait = false;
};

struct RunResult {
  uint64_t hash = 0;  // of all that happened
  std::optional<std::string> violation;
  int promise = 0;  // the one that was broken
  Oracle::Counts counts;
  uint64_t turns = 0;
  int64_t simulated_ms = 0;
};

// One run, wholly decided by its options.
RunResult Run(const RunOptions& options);

}  // namespace treadle::sim
