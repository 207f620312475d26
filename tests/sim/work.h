#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/broker/delivery.h"
#include "server/engine/types.h"
#include "tests/sim/random.h"

namespace treadle::sim {

// What the run's tasks are made of.

// How a handler of this type behaves.
inline const std::vector<std::string> kTypes = {"quick", "quick", "slow",
                                                "deaf",  "flaky", "poison"};
// "tiny" is nearly always full; "new-..." come into being with their first task.
inline const std::vector<std::string> kQueues = {"fifo", "lifo",  "priority", "tiny",
                                                 "fifo", "new-1", "new-2"};

struct Work {
  engine::TaskSpec spec;
  int64_t wait_if_full_ms = 0;
  broker::BodyPtr body;

  // All of the other's but its payload.
  void TakeOptions(const Work& other);
};

// `key_space`: how many request keys there are, all clients together; 0: never one.
Work RandomWork(Random& random, int64_t now_ms, uint64_t key_space);

}  // namespace treadle::sim
