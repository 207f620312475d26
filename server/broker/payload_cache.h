#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "proto/support/task_id.h"
#include "server/broker/delivery.h"

namespace treadle::broker {

// Payloads of accepted tasks, from their submit to their dispatch, so that a task dispatched soon
// is not read back from the store. A task is dispatched once as a rule: so its body leaves with
// Take, and what was put longest ago makes room when the bound is reached. One thread.
class PayloadCache {
 public:
  explicit PayloadCache(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // REQUIRES: body is not null. One that is larger than the cache is not kept.
  void Put(TaskId task, BodyPtr body);
  // Null: not here, ask the store.
  BodyPtr Take(TaskId task);

  int64_t bytes() const { return bytes_; }
  size_t size() const { return slots_.size(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  // In a list from the oldest to the newest; or in the list of free ones, by `newer`.
  struct Entry {
    TaskId task;
    BodyPtr body;
    int64_t bytes = 0;
    uint32_t older = kNone;
    uint32_t newer = kNone;
  };

  BodyPtr Remove(uint32_t slot);

  const int64_t bytes_max_;
  int64_t bytes_ = 0;
  std::vector<Entry> entries_;
  absl::flat_hash_map<TaskId, uint32_t> slots_;
  uint32_t oldest_ = kNone;
  uint32_t newest_ = kNone;
  uint32_t free_ = kNone;
};

}  // namespace treadle::broker
