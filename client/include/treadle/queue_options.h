#pragma once

#include <cstdint>

#include "treadle/milliseconds.h"
#include "treadle/submit_options.h"

namespace treadle {

struct QueueOptions {
  QueueOptions() {}
  explicit QueueOptions(int64_t maxsize_in) : maxsize(maxsize_in) {}

  // How many items may wait in it; those that were got do not count. Up to 100,000,000. Zero or
  // less: as many as the broker allows in a queue, or as many as the queue was made with.
  int64_t maxsize = 0;
  // How long an item that was got stays away when its consumer is gone or cut off. Renewed by
  // itself while this process lives. From 1 second to 12 hours.
  Milliseconds lease{30'000};
  // What a put waits for.
  Durability durability = Durability::kSynced;
  // An item is done as soon as it is got, so TaskDone is not called, and an item whose consumer
  // dies is lost with it: at most once, where the default is at least once.
  bool done_at_get = false;
};

}  // namespace treadle
