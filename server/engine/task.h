#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/intrusive_list.h"
#include "server/engine/task_run.h"
#include "server/engine/timers.h"
#include "server/engine/types.h"

// Unfinished tasks as the engine remembers them.

namespace treadle::engine {

struct Grant;
struct Line;
struct Queue;
struct Task;
struct Worker;

struct WorkerLeaseTag;
struct WaitingTaskTag;

// The lease that a running task is under; or those of several, whose tokens follow one another.
struct LiveLease : ListNode<WorkerLeaseTag> {
  explicit LiveLease(Task& leased) : task(leased) {}

  Token TokenOf(uint32_t index) const { return Token{static_cast<uint64_t>(token) + index}; }
  // Of a token from the first one on. Beyond the last one: it is none of these.
  uint64_t IndexOf(Token one) const {
    return static_cast<uint64_t>(one) - static_cast<uint64_t>(token);
  }

  Task& task;
  Token token{};  // set when the turn's grants are made; the first one's
  Grant* grant = nullptr;
  Worker* worker = nullptr;  // null: from a unary Lease
  int32_t pool = 0;
  bool started = false;
  int64_t started_at_ms = 0;
  // Unary only (a worker's leases expire together): see State::deaf_ms.
  int64_t expires_listened_ms = 0;
  // Unary: how long it lives after a restart, if that is stored otherwise than in its grant.
  int64_t stored_lease_ms = 0;
  // The attempt's time is over, and its worker was told so.
  bool timed_out = false;
};

// What few tasks have.
struct TaskExtras {
  std::string request_key;
  ContentDigest digest;
  std::vector<FailedAttempt> failed;  // see history.h
  std::string cancel_reason;
};

// A task; or several of a run that follow one another, are alike and have not begun (though one
// worker may hold them all), of which this is the first: what happens to one of them alone happens
// when Lifecycle::Part has given it an object of its own.
//
// Linked in its queue's list of scheduled or of queued tasks while it waits.
struct Task : Timed, ListNode<WaitingTaskTag> {
  Task() : Timed(TimedKind::kTask) {}

  TaskId id;
  uint32_t count = 1;
  Line* line = nullptr;
  uint64_t order = 0;            // the next one has the next
  std::shared_ptr<TaskRun> run;  // null: submitted alone
  int64_t submitted_at_ms = 0;
  // Service time, or Unix time if it is a date.
  int64_t run_at_ms = 0;       // not before; a time in the past means at once
  int64_t deadline_at_ms = 0;  // 0: none
  // Since when it is scheduled, or queued; while it runs: since when it had been.
  int64_t waits_since_ms = 0;
  int64_t attempt_timeout_ms = 0;
  int64_t result_ttl_ms = 0;
  uint64_t payload_bytes = 0;  // of all of them
  Token last_token{};          // of the latest lease that is over
  std::shared_ptr<const RetryPolicy> retry;
  std::unique_ptr<TaskExtras> extras;
  std::unique_ptr<LiveLease> lease;  // exactly while it runs
  int32_t priority = 0;
  int32_t max_attempts = 0;
  int32_t attempts_spent = 0;
  uint32_t ready_slot = kNoSlot;  // in its line
  uint32_t date_slot = kNoSlot;   // its timer by the wall clock
  TaskState state = TaskState::kQueued;
  Durability durability = Durability::kSynced;
  uint8_t losses = 0;  // see AttemptRow
  uint8_t returns = 0;
  bool run_at_is_date = false;
  bool deadline_is_date = false;
  bool cancel_requested = false;
  bool suspect = false;
  bool watched = false;
  bool has_attempt_row = false;

  // What the spec says. REQUIRES: submitted_at_ms is set.
  void TakeSpec(const TaskSpec& spec);
  // Keeps the first `keep` of the tasks. Returns the others, which are in no list, heap or table,
  // and under no lease.
  // REQUIRES: 0 < keep < count.
  std::unique_ptr<Task> SplitAfter(uint32_t keep);
  // REQUIRES: it is of a run.
  std::vector<uint32_t> PayloadSizesOfEach() const;
  TaskRange range() const { return {id, count}; }
  bool Holds(TaskId task) const { return range().Contains(task); }
  // The task whose row has the payload.
  TaskId row() const { return run == nullptr ? id : run->first; }
  // The next attempt not before this moment of service time; 0: at once.
  void RunNotBefore(int64_t at_ms) {
    run_at_ms = at_ms;
    run_at_is_date = false;
  }
  Queue& queue() const;
  TaskExtras& Extras() {
    if (!extras) extras = std::make_unique<TaskExtras>();
    return *extras;
  }
  bool has_key() const { return extras && !extras->request_key.empty(); }
};

// Why a running task's holder was, or is to be, told to stop. (A worker is told of a timeout when
// its own word of it has not come in time, a unary holder when it extends its lease.)
StopReason StopOf(const Task& task, int64_t now_ms);

// What becomes due by the wall clock.
using Dates = TimerHeap<Task, &Task::date_slot>;

// What must be safe before a task's dispatch or outcome is told. Only a task whose submitter asked
// for a sync makes others wait for the disk.
constexpr Durability OutcomeDurability(Durability submitted) {
  return submitted == Durability::kSynced ? Durability::kSynced : Durability::kWritten;
}

// A stop must not overtake the dispatch that it stops, whatever that one waits for.
inline constexpr Durability kStopDurability = Durability::kSynced;

}  // namespace treadle::engine
