#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "worker/pool/handlers.h"
#include "worker/pool/pool.h"

namespace treadle::worker {

struct PoolShape {
  int slots = 1;
  int64_t waiting_max = 0;
};

// A pool, and what keeps it going.
class LivePool {
 public:
  virtual ~LivePool() = default;
  virtual Pool& pool() = 0;
};

struct PoolKind {
  std::string name;
  std::function<std::unique_ptr<LivePool>(PoolShape, std::shared_ptr<const Handlers>,
                                          std::shared_ptr<AttemptEvents>)>
      start;
  bool ends_by_force = false;  // handlers that do not stop
  bool coroutines = false;     // its handlers are coroutines
};

// For the names that GoogleTest prints.
inline void PrintTo(const PoolKind& kind, std::ostream* out) { *out << kind.name; }

// Every kind of pool that there is.
std::vector<PoolKind> AllPoolKinds();

}  // namespace treadle::worker
