#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"

#include "proto/support/task_id.h"
#include "server/engine/types.h"

namespace treadle::broker {

// Who wants to be told how a task ends: its own session's stream, and calls that await or watch it.
// Bounded by the caller: one entry for each (call, unfinished task). One thread.
class Watchers {
 public:
  // A session's stream is open. It hears of all its tasks unless DeliverAll says otherwise, before
  // or after.
  void SessionOpened(engine::CallId call, uint64_t session);
  void DeliverAll(engine::CallId call, bool all);

  // False: this call is told of the task already (then `watch` is added to that).
  bool Add(engine::CallId call, TaskId task, bool watch);
  // Who hears of all tasks of this session; {}: nobody.
  engine::CallId StreamOf(uint64_t session) const;
  // The task ended: appends the calls that asked for it, and forgets that they did.
  void Finished(TaskId task, std::vector<engine::CallId>& calls);
  // Forgets one call's wish. False: it had none.
  bool Remove(engine::CallId call, TaskId task);
  bool Has(engine::CallId call, TaskId task) const;
  // It wants to see the task's changes, and not only its end.
  bool IsWatching(engine::CallId call, TaskId task) const;
  // Appends the calls that want to see the task's changes.
  void Watching(TaskId task, std::vector<engine::CallId>& calls) const;
  bool AnyWatching(TaskId task) const;
  // Appends the tasks that nobody watches any more because of it.
  void CallClosed(engine::CallId call, std::vector<TaskId>& unwatched);

  // Entries of Add.
  int64_t size() const { return size_; }
  int64_t calls() const { return static_cast<int64_t>(calls_.size()); }
  int64_t sessions() const { return static_cast<int64_t>(sessions_.size()); }

 private:
  struct Watcher {
    engine::CallId call{};
    bool watch = false;
  };
  struct Call {
    absl::flat_hash_set<TaskId> tasks;
    uint64_t session = 0;  // 0: not a session's stream
    bool all = true;
  };

  int64_t size_ = 0;
  absl::flat_hash_map<TaskId, std::vector<Watcher>> tasks_;
  absl::flat_hash_map<engine::CallId, Call> calls_;
  absl::flat_hash_map<uint64_t, engine::CallId> sessions_;  // those that hear of all their tasks
};

}  // namespace treadle::broker
