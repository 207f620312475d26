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
  // The broker forgets wakeups: it is to find out, and to go on all the same.
  bool expect_stalls = false;
};

// What a run had to bear, beside crashes and lost stores.
struct Faults {
  uint64_t held = 0;         // streams that were held back, and unary calls that were refused
  uint64_t stalls = 0;       // of the disk, each for a second or more
  uint64_t pauses = 0;       // of the broker, each for longer than a lease
  uint64_t clock_steps = 0;  // of the wall clock

  void Add(const Faults& other);
  std::string ToString() const;
};

struct RunResult {
  uint64_t hash = 0;  // of all that happened
  std::optional<std::string> violation;
  int promise = 0;  // the one that was broken
  Oracle::Counts counts;
  Faults faults;
  uint64_t turns = 0;
  int64_t simulated_ms = 0;
};

// One run, wholly decided by its options.
RunResult Run(const RunOptions& options);

}  // namespace treadle::sim
