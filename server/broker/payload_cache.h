#pragma once

#include <cstdint>
#include <deque>

#include "proto/support/task_id.h"
#include "proto/support/task_map.h"
#include "server/broker/delivery.h"

namespace treadle::broker {

// Payloads of accepted tasks, from their submit to their dispatch, so that a task dispatched soon
// is not read back from the store. A task is dispatched once as a rule: so its body leaves with
// Take.
//
// When the bound is reached, what came first is kept, because it is next as a rule, and what comes
// now is not; unless what came first has been passed over again and again (its queue is paused, its
// time has not come, others are taken from their end): then it makes room. One thread.
class PayloadCache {
 public:
  explicit PayloadCache(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // REQUIRES: it is not here, and body is not null. One that is larger than the cache is not kept.
  void Put(TaskId task, BodyPtr body);
  // Null: not here, ask the store.
  BodyPtr Take(TaskId task);

  bool Has(TaskId task) const { return kept_.Find(task) != nullptr; }
  int64_t bytes() const { return bytes_; }
  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    BodyPtr body;
    int64_t bytes = 0;
    explicit operator bool() const { return body != nullptr; }
  };

  BodyPtr Remove(TaskId task);
  void DropFront();

  const int64_t bytes_max_;
  int64_t bytes_ = 0;
  TaskMap<Kept, 8> kept_;
  // As they were put; the first one is there. Of the others, those that were taken since stay for a
  // while.
  std::deque<TaskId> order_;
  int64_t passed_over_ = 0;  // takes since the first one was taken, or put
};

}  // namespace treadle::broker
