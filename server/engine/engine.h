#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine/command.h"
#include "server/engine/output.h"
#include "server/engine/row.h"
#include "server/engine/types.h"

namespace treadle::engine {

// Bounds and times in force. The defaults are the product's.
struct EngineOptions {
  bool auto_create_queues = true;
  int64_t queue_max_tasks = 1'000'000;         // of an undeclared queue
  int64_t queue_max_bytes = int64_t{4} << 30;  // of an undeclared queue
  int64_t queues_max = 10'000;
  int64_t types_per_queue_max = 10'000;
  int64_t unfinished_tasks_max = 20'000'000;
  int64_t sessions_max = 100'000;
  // Sessions that never had a task, and were left without being closed: the oldest gives way to one
  // more. At most a tenth of sessions_max.
  int64_t empty_sessions_max = 1'000;
  int64_t workers_max = 10'000;
  int64_t waiting_submitters_max = 100'000;  // of one queue
  int64_t polls_max = 100'000;               // unary Lease calls that wait
  // What the names of queues and types weigh that workers and waiting polls name.
  int64_t takers_bytes_max = int64_t{256} << 20;
  // Payload bytes that one poll is given: once it has as many, it gets no further task. So that the
  // answer fits into the message that a client of gRPC takes unless told otherwise.
  int64_t poll_bytes_max = int64_t{3} << 20;
  int32_t credit_max = 100'000;  // unused, of one pool
  // An attached worker that has this many payload bytes leased, or more, gets no further task.
  int64_t worker_inflight_bytes_max = int64_t{64} << 20;
  int64_t session_gap_max = 1'000'000;  // how far a sequence may jump ahead
  // Gaps between one session's accepted sequences: all of them are written whenever one changes.
  int64_t session_ranges_max = 1'000;
  int64_t reports_kept_max = 100'000;  // accepted unary reports that may come again
  int64_t lease_ms = 15'000;           // of an attached worker, renewed by every message
  int64_t resume_window_ms = 600'000;  // a session without a stream is kept so long
  int64_t request_key_window_ms = 86'400'000;
  int64_t attempt_timeout_grace_ms =
      1'000;  // the worker's own report of a timeout, which says more, gets this long to arrive
  // Leases of a task that were lost without word of a start; then the next one costs an attempt.
  int32_t unexplained_losses_max = 10;
};

// How a task looks now.
struct TaskView {
  TaskId id;
  Name queue;
  Name type;
  TaskState state = TaskState::kQueued;
  int32_t priority = 0;
  int32_t attempts = 0;  // spent, plus the running one
  int32_t max_attempts = 0;
  int64_t submitted_at_ms = 0;  // this and the next two: Unix time
  int64_t run_at_ms = 0;
  int64_t deadline_at_ms = 0;
  uint64_t payload_bytes = 0;
  std::string worker;
  bool cancel_requested = false;
  // Its holder was told to stop, or will be when it next extends its lease, and has not said yet
  // that the attempt is over.
  StopReason stop = StopReason::kNone;
  std::string request_key;
  TaskError last_error;
};

struct QueueView {
  QueueConfig config;
  bool paused = false;
  bool closed = false;
  int64_t created_at_ms = 0;  // Unix time
  int64_t scheduled = 0;
  int64_t queued = 0;
  int64_t running = 0;
  int64_t waiting_bytes = 0;
  int64_t waiting_submitters = 0;
  int64_t oldest_age_ms = 0;
  int64_t submitted_total = 0;
  int64_t succeeded_total = 0;
  int64_t failed_total = 0;
  int64_t cancelled_total = 0;
  int64_t expired_total = 0;
  int64_t retried_total = 0;
  double submitted_per_second = 0;
  double finished_per_second = 0;
};

struct PoolView {
  PoolSpec spec;
  int32_t free = 0;
  int32_t leased = 0;
  int32_t running = 0;
};

struct WorkerView {
  std::string worker_id;
  std::string name;
  std::string peer;
  bool connected = false;
  bool draining = false;
  std::vector<std::string> queues;
  std::vector<PoolView> pools;
  int64_t attached_at_ms = 0;  // this and the next: Unix time
  int64_t lease_expires_at_ms = 0;
  int64_t succeeded_total = 0;
  int64_t failed_total = 0;
};

struct ReadyTask {
  TaskId id;
  uint64_t payload_bytes = 0;
};

struct EngineTotals {
  int64_t unfinished_tasks = 0;
  int64_t queues = 0;
  int64_t workers = 0;
  int64_t sessions = 0;
  int64_t calls = 0;              // with a session, a worker, a poll or a waiting submit on them
  int64_t undeclared_queues = 0;  // names that somebody serves, and that no queue has
};

// The rules of Treadle's queues, and nothing else: no clock, thread, file, socket or randomness but
// what it is handed. The same commands at the same times give the same rows and outputs, byte for
// byte.
//
// One thread calls it. A turn of the broker is any number of Step calls and one Tick, all with the
// same `now_ms`, service time, which never goes back from turn to turn.
//
// Memory grows with unfinished tasks, and only with their metadata.
class Engine {
 public:
  explicit Engine(const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Recovery: every stored row, in any order, then FinishLoad once, then the first Step. Finished
  // rows and key rows of finished tasks need not be given: they are ignored. A row that contradicts
  // another is an error (DATA_LOSS), never guessed around.
  absl::Status Load(const Row& row);
  // Leases found in the rows live for a full lease from now, so that their workers can come back;
  // so do sessions. After FollowWall, if that is needed.
  absl::Status FinishLoad(int64_t now_ms);

  // From now on Unix time is `offset_ms` more than service time (Clock::WallOffsetMs). Until it is
  // told, they are the same. Dates that have come with it are dealt with in the next Tick.
  void FollowWall(int64_t offset_ms);

  // True when a submit with this key must be handed over with what the store knows of it
  // (Submit::known_key).
  bool NeedsKeyLookup(std::string_view queue, std::string_view request_key) const;

  // Applies one command; appends what follows from it. Tasks are leased only in Tick.
  void Step(int64_t now_ms, Command&& command, Effects& effects);
  // Ends a turn: what is due by now happens, then runnable tasks meet free slots until no fitting
  // pair is left. When very much is due at once (100,000 timers, 10,000 tasks of purged queues), it
  // is spread over several turns: NextDeadline then is not after `now_ms`.
  //
  // What has arrived in the last `unheard_ms` was not stepped yet, so no lease that ended within
  // them is over: its holder may have been heard from.
  void Tick(int64_t now_ms, int64_t unheard_ms, Effects& effects);
  void Tick(int64_t now_ms, Effects& effects) { Tick(now_ms, 0, effects); }
  // For so long nobody listened (the process or its machine stood still): every lease, and every
  // time in which a session may be resumed, lasts so much longer. Before the turn's first Step.
  void AddDeafTime(int64_t deaf_ms);
  // When Tick has something to do next though no command comes. INT64_MAX: never.
  int64_t NextDeadline() const;

  // The durable state in one number: equal for a live engine and one that was loaded from its rows.
  uint64_t Fingerprint() const;
  // Asserts what must hold between any two steps. Costs time in proportion to the state; for tests.
  void CheckInvariants() const;

  // Views.
  std::optional<TaskView> FindTask(TaskId id) const;
  std::optional<QueueView> FindQueue(std::string_view name, int64_t now_ms) const;
  // Up to `limit` queues by name, those after `after`.
  std::vector<QueueView> ListQueues(std::string_view after, size_t limit, int64_t now_ms) const;
  // Up to `limit` workers by id, those after `after`.
  std::vector<WorkerView> ListWorkers(std::string_view after, size_t limit) const;
  // Up to `limit` unfinished tasks in submit order, those after order number `after`; sets `after`
  // to the last one's. Looks at no more than 100,000 tasks; `done` tells whether it reached the
  // end. Empty queue or type: all; states as a bit mask of 1 << TaskState, 0: all.
  std::vector<TaskView> ListTasks(std::string_view queue, std::string_view type, uint32_t states,
                                  size_t limit, uint64_t& after, bool& done) const;
  // Up to `limit` runnable tasks of a queue and type, those that will be given out next, as far as
  // that can be told at a glance.
  std::vector<ReadyTask> NextReady(std::string_view queue, const std::string& type,
                                   size_t limit) const;
  bool IsUnfinished(TaskId id) const;
  // True when the token is the newest of a running task, held by this call's worker or by a unary
  // lease.
  bool HoldsLease(CallId call, TaskId task, Token token) const;
  EngineTotals Totals() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace treadle::engine
