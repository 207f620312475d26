#pragma once

#include <utility>

#include "absl/container/flat_hash_set.h"

#include "server/engine/row.h"
#include "server/engine/timers.h"

namespace treadle::engine {

struct Worker;

// A drain, and the workers that match it.
struct Drain : Timed {
  explicit Drain(DrainRow its_row) : Timed(TimedKind::kDrain), row(std::move(its_row)) {}

  DrainRow row;
  absl::flat_hash_set<Worker*> workers;
};

}  // namespace treadle::engine
