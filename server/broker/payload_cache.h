#pragma once

#include <cstdint>
#include <deque>

#include "proto/support/task_id.h"
#include "proto/support/task_map.h"
#include "server/broker/delivery.h"

namespace treadle::broker {

// Payloads of accepted tasks, from their submit to their dispatch, so that a task dispatched soon
// is not read back from the store: those of a row together, under the row's id. A task is
// dispatched once as a rule: so they leave when they were taken as often as the row has tasks.
//
// When the bound is reached, what came first is kept, because it is next as a rule, and what comes
// now is not; unless what came first has been passed over again and again (its queue is paused, its
// time has not come, others are taken from their end): then it makes room. One thread.
class PayloadCache {
 public:
  explicit PayloadCache(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // Those of so many tasks. REQUIRES: not here, and part.body is not null. What is larger than the
  // cache is not kept.
  void Put(TaskId row, BodyPart part, uint32_t tasks);
  // For so many of the row's tasks. Its body is null: not here, ask the store.
  BodyPart Take(TaskId row, uint32_t tasks);
  // The row is gone.
  void Drop(TaskId row);

  bool Has(TaskId row) const { return kept_.Find(row) != nullptr; }
  int64_t bytes() const { return bytes_; }
  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    BodyPart part;
    int64_t bytes = 0;
    uint32_t left = 0;  // tasks that it was not taken for
    explicit operator bool() const { return part.body != nullptr; }
  };

  void Remove(TaskId row);
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
