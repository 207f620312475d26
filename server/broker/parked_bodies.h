#pragma once

#include <cstdint>
#include <map>

#include "absl/container/flat_hash_map.h"

#include "proto/support/task_id.h"
#include "server/broker/delivery.h"
#include "server/engine/types.h"

namespace treadle::broker {

// Payloads of submits that wait for room in a full queue: not stored yet, so nobody else has them.
// One thread.
class ParkedBodies {
 public:
  // A task that is parked already (a resumed session sent it again) now belongs to this call. Its
  // first body stays, as its first spec does in the engine.
  void Park(engine::CallId call, uint64_t item, TaskId task, BodyPtr body);
  // A session goes on over another call: what it has parked is now that call's. Takes time in
  // proportion to that.
  void Adopt(uint64_t session, engine::CallId call);
  // The task has got its room. Null: it was not parked.
  BodyPtr Take(TaskId task);
  // The submit was answered, whatever the answer: frees its body unless it was taken.
  void Answered(engine::CallId call, uint64_t item);
  void CallClosed(engine::CallId call);

  bool Has(TaskId task) const { return tasks_.contains(task); }
  bool empty() const { return tasks_.empty(); }
  int64_t bytes() const { return bytes_; }
  int64_t size() const { return static_cast<int64_t>(tasks_.size()); }

 private:
  struct Parked {
    engine::CallId call{};
    uint64_t item = 0;
    BodyPtr body;
  };

  BodyPtr Remove(TaskId task);

  std::map<TaskId, Parked> tasks_;  // a session's are neighbours
  absl::flat_hash_map<engine::CallId, absl::flat_hash_map<uint64_t, TaskId>> calls_;
  int64_t bytes_ = 0;
};

}  // namespace treadle::broker
