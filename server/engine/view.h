#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

#include "proto/support/task_id.h"
#include "server/engine/row.h"
#include "server/engine/types.h"

// How things look from outside: what the engine tells of its state when it is asked.

namespace treadle::engine {

struct TaskView {
  TaskId id;
  uint64_t order = 0;  // in the order of submits
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
  int64_t leased_at_ms = 0;   // of its attempt; Unix time, this and the next
  int64_t started_at_ms = 0;  // 0: it has not begun
  bool cancel_requested = false;
  std::string cancel_reason;
  // Its holder was told to stop, or will be when it next extends its lease, and has not said yet
  // that the attempt is over.
  StopReason stop = StopReason::kNone;
  std::string request_key;
  std::vector<FailedAttempt> failed;
};

// Which unfinished tasks are looked through, and how.
struct TaskQuery {
  // Empty: every queue's.
  std::string_view queue;
  // A bit mask of 1 << TaskState; 0: all.
  uint32_t states = 0;
  // Asked once for each queue and type that is met.
  absl::FunctionRef<bool(const std::string& queue, const std::string& type)> fits;
  // In submit order, or its reverse, from this number in it on.
  bool newest_first = false;
  uint64_t from = 0;
};

struct TasksLookedAt {
  int64_t searched = 0;          // tasks that were looked at, or passed over together
  std::optional<uint64_t> next;  // TaskQuery::from to go on with; absent: there are no more
};

// Why a task does not run, or what it does: see v1.Reason.
enum class Reason : uint8_t {
  kUnknown = 0,  // only of LostTime
  kStops = 2,
  kRuns,
  kHolderAway,
  kHeld,
  kNoRoom,
  kDelayed,
  kBacksOff,
  kPurged,
  kPaused,
  kNoWorker,
  kWorkersAway,
  kNoHandler,
  kWorkersDrain,
  kBehind,
  kSlotsBusy,
  kNext,
  kCircuitOpen,
  kQuarantined,
};
inline constexpr Reason kLastReason = Reason::kQuarantined;

// How what a reason says comes to an end.
enum class ReasonEnd : uint8_t {
  kByOthers = 1,  // when others have done what they do: it is not known when
  kByItself,      // at until_ms
  kAbout,         // at until_ms, if all goes on as it does now
  kByOperator,    // never, unless somebody does something about it
};

struct ReasonView {
  Reason reason{};
  int64_t since_ms = 0;  // this and the next: Unix time
  ReasonEnd end = ReasonEnd::kByOthers;
  int64_t until_ms = 0;
  int64_t count = 0;                 // of workers, tasks or slots that it is about
  bool at_least = false;             // there may be more: not all were looked at
  std::vector<std::string> workers;  // the names of some of them
  std::string said;                  // by whoever brought it about, for people
};

// How much of a task's life went to a reason.
struct LostTime {
  Reason reason{};
  int64_t ms = 0;
};

// The reasons that hold now, the one first that must end first; and where the time went so far.
struct Explanation {
  TaskView task;
  std::vector<ReasonView> reasons;
  std::vector<LostTime> lost;
};

// A runnable task and a free slot that fits it, which stayed apart for a turn: a bug of ours.
struct Stall {
  Name queue;
  Name type;
  std::string worker;
  int64_t since_ms = 0;  // Unix time; at the earliest
  bool is_news = false;  // it was not told of this queue and type for a minute
};

struct QueueView {
  QueueConfig config;
  Pause pause;
  int64_t resume_at_ms = 0;  // Pause::until_ms as Unix time; 0: when somebody resumes it
  bool closed = false;
  int64_t created_at_ms = 0;  // Unix time
  int64_t version = 1;
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
  int64_t dead_letters = 0;
  int64_t dead_letter_bytes = 0;
  double submitted_per_second = 0;
  double finished_per_second = 0;
};

struct LetterGroupView {
  Name queue;
  uint64_t fingerprint = 0;
  LetterGroup group;
};

struct JobView {
  JobRow row;
  std::string waits_for;  // see Job
};

struct DrainView {
  uint64_t id = 0;
  DrainMatch match;
  std::string reason;
  int64_t created_at_ms = 0;  // this and the next: Unix time
  int64_t ends_at_ms = 0;     // 0: when it is removed
  int64_t workers = 0;        // that match
  int64_t busy_workers = 0;   // of these, with leases
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
  int64_t attached_at_ms = 0;       // this and the next: Unix time
  int64_t lease_expires_at_ms = 0;  // 0: it holds none
  int64_t succeeded_total = 0;
  int64_t failed_total = 0;
  Labels labels;
  std::optional<Quarantine> quarantine;
};

// One or several tasks that come next.
struct ReadyTask {
  TaskId row;  // that has their payloads
  uint32_t tasks = 1;
  uint64_t payload_bytes = 0;
};

struct EngineTotals {
  int64_t unfinished_tasks = 0;
  int64_t waiting_submits = 0;  // for room in a full queue
  int64_t waiting_bytes = 0;    // what their payloads hold: Submit::held_bytes
  int64_t queues = 0;
  int64_t workers = 0;
  int64_t sessions = 0;
  int64_t calls = 0;              // with a session, a worker, a poll or a waiting submit on them
  int64_t undeclared_queues = 0;  // names that somebody serves, and that no queue has
};

}  // namespace treadle::engine
