#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "proto/support/task_id.h"
#include "server/broker/broker.h"
#include "server/engine/types.h"

namespace treadle::broker {

// Calls that wait for a task to say more, or to end: one task for each call. One thread.
class OutputReaders {
 public:
  void Add(AwaitOutput wait);
  // The task's next offset is this now; UINT64_MAX: it has ended. Appends the questions that can be
  // answered.
  void Wake(TaskId task, uint64_t next, std::vector<AskQuery>& questions);
  void CallClosed(engine::CallId call);

  bool empty() const { return tasks_.empty(); }
  int64_t size() const { return static_cast<int64_t>(calls_.size()); }

 private:
  absl::flat_hash_map<TaskId, std::vector<AwaitOutput>> tasks_;
  absl::flat_hash_map<engine::CallId, TaskId> calls_;
};

}  // namespace treadle::broker
