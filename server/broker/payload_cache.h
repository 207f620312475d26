#pragma once

#include <cstdint>
#include <deque>

#include "proto/support/task_id.h"
#include "proto/support/task_map.h"
#include "server/broker/delivery.h"

namespace treadle::broker {

// Payloads of accepted tasks, from their submit to their dispatch, so that a task dispatched soon
// is not read back from the store. A task is dispatched once as a rule: so its body leaves with
// Take, and what was put longest ago makes room when the bound is reached. One thread.
class PayloadCache {
 public:
  explicit PayloadCache(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // REQUIRES: it was never put before, and body is not null. One that is larger than the cache is
  // not kept.
  void Put(TaskId task, BodyPtr body);
  // Null: not here, ask the store.
  BodyPtr Take(TaskId task);

  int64_t bytes() const { return bytes_; }
  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    BodyPtr body;
    int64_t bytes = 0;
    explicit operator bool() const { return body != nullptr; }
  };

  const int64_t bytes_max_;
  int64_t bytes_ = 0;
  TaskMap<Kept, 8> kept_;
  // As they were put. Those that were taken since stay for a while, and are passed over.
  std::deque<TaskId> order_;
};

}  // namespace treadle::broker
