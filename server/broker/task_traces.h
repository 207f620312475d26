#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"

#include "proto/support/task_id.h"
#include "server/broker/delivery.h"
#include "server/broker/span.h"
#include "server/engine/row.h"

namespace treadle::broker {

// Makes the spans of sampled tasks: of each wait until a lease, of each attempt, and of the task's
// whole life, when they are over. Remembers the sampled tasks that are unfinished, as many as its
// bound says; those beyond it are counted, and have spans from their next lease on if there is room
// then. So have those that were there before a restart, whose earlier spans are lost.
//
// An attempt has a span when it counts: a lease that is given back, or lost before its worker said
// that the task began, ends a wait, and another one follows. One thread.
class TaskTraces {
 public:
  static constexpr size_t kTasksMax = 100'000;

  // `sink` outlives it; null: nobody wants spans.
  explicit TaskTraces(SpanSink* sink) : sink_(sink) {}

  // `unix_ms`, here and below: the present Unix time.
  void Accepted(const engine::TaskRow& row, int64_t unix_ms);
  // Also again, when payloads that were not in memory have been read: those that are sampled, and
  // that `is_unfinished(TaskId)`, are followed from now on.
  template <typename IsUnfinished>
  void Leased(const LeasedRun& run, int64_t unix_ms, const IsUnfinished& is_unfinished) {
    if (sink_ == nullptr || (tasks_.empty() && !IsSampled(run.payload))) return;
    for (uint32_t i = 0; i < run.lease.tasks; ++i) {
      const TaskId task{run.lease.task.session, run.lease.task.sequence + i};
      if (is_unfinished(task)) Leased(run, i, unix_ms);
    }
  }
  // An attempt has ended, or not: `row` says. `offset_ms`: Unix time minus service time.
  void Changed(const engine::AttemptRow& row, int64_t unix_ms, int64_t offset_ms);
  void Finished(const engine::FinishedRow& row);

  // Null: nobody wants spans.
  const SpanSink* sink() const { return sink_; }

 private:
  struct Task {
    std::shared_ptr<const Traced> traced;
    int64_t runnable_at_ms = 0;  // Unix time; 0: not known
    engine::Token token{};       // of its latest lease
    int32_t attempt = 0;         // that is under way; 0: none
  };

  static bool IsSampled(const BodyPart& payload);
  // False: there is no room.
  bool Follow(TaskId task, const std::shared_ptr<const Traced>& traced, int64_t runnable_at_ms);
  void Leased(const LeasedRun& run, uint32_t index, int64_t unix_ms);
  void EndWait(TaskId id, Task& task, engine::Token token, int64_t unix_ms);

  SpanSink* const sink_;
  absl::flat_hash_map<TaskId, Task> tasks_;
};

}  // namespace treadle::broker
