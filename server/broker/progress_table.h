#pragma once

#include "absl/container/flat_hash_map.h"

#include "proto/support/task_id.h"
#include "server/broker/delivery.h"

namespace treadle::broker {

// The latest progress of running tasks: one entry for each at most. Not stored. One thread.
class ProgressTable {
 public:
  void Set(TaskId task, ProgressState progress) { tasks_[task] = std::move(progress); }
  // The tasks have ended, or another attempt of them begins.
  void Drop(const engine::TaskRange& tasks) {
    if (tasks_.empty()) return;
    for (uint32_t i = 0; i < tasks.count; ++i) tasks_.erase(tasks.At(i));
  }
  // Null: none.
  const ProgressState* Find(TaskId task) const {
    const auto found = tasks_.find(task);
    return found == tasks_.end() ? nullptr : &found->second;
  }
  size_t size() const { return tasks_.size(); }

 private:
  absl::flat_hash_map<TaskId, ProgressState> tasks_;
};

}  // namespace treadle::broker
