#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include "proto/support/task_id.h"
#include "server/broker/delivery.h"
#include "server/broker/payload_cache.h"
#include "server/engine/view.h"

namespace treadle::broker {

// Payloads of a backlog, read from the store shortly before it is their turn: those that come first
// in their queue, many at once. When half of them have been given out, the next ones are read. One
// thread.
class ReadAhead {
 public:
  // Of one read.
  static constexpr size_t kTasksMax = 1'024;
  static constexpr int64_t kBytesMax = 4 << 20;

  ReadAhead() : read_(kKeptBytesMax) {}

  // So many tasks of this row are given out. Its body is null: it was not read ahead. `more`: set
  // when it is time to read on, and left as it is otherwise.
  BodyPart Take(TaskId row, uint32_t tasks, bool& more);
  // The rows of these, which come next in a queue, that are to be read: not here, not under way,
  // and not in `cache`. They count as under way until Found.
  std::vector<TaskId> Choose(const std::vector<engine::ReadyTask>& next, const PayloadCache& cache);
  // What was read. Null: the row's tasks have ended.
  void Found(TaskId row, BodyPtr body);
  // Its tasks will not be given out any more.
  void Drop(TaskId row);

  size_t size() const { return read_.size(); }

 private:
  static constexpr int64_t kKeptBytesMax = 32 << 20;

  PayloadCache read_;
  absl::flat_hash_map<TaskId, uint32_t> under_way_;  // and of how many tasks
  absl::flat_hash_set<TaskId> marks_;                // in the middle of what was read at once
};

}  // namespace treadle::broker
