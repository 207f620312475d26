#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/support/limits.h"
#include "proto/support/task_id.h"

// The engine's vocabulary. Field meanings, defaults and bounds are those of the proto files
// (proto/treadle/v1); the edge (rpc) has checked them and filled in the defaults before a value
// gets here. All times are milliseconds; `..._at_ms` is service time unless it says that it is Unix
// time (proto/support/clock.h: lengths and dates).

namespace treadle::engine {

// One open gRPC call, unary or stream, as the edge numbers them. Never 0, never used twice in one
// process.
enum class CallId : uint64_t {};
inline constexpr int kCallNumberBits = 44;
// The upper bits, which calls of one connection have in common. For fairness alone: few others have
// the same.
inline constexpr uint32_t ClientOf(CallId call) {
  return static_cast<uint32_t>(static_cast<uint64_t>(call) >> kCallNumberBits);
}
// Who a command comes from, for bounds that are shared: a connection, and the address that it comes
// from, by numbers that the edge gives. 0: nobody in particular.
struct Origin {
  uint32_t connection = 0;
  uint32_t address = 0;
};
// A lease's fencing number. Grows strictly, also across restarts, and no other life of the store
// has it: see incarnation.h. 0: none.
enum class Token : uint64_t {};
// One batch of leases given to one holder in one turn: one row.
enum class GrantId : uint64_t {};

// Bytes that came with a command, and go with it into its row and its output: a payload, a result,
// the details of an error. What they are is the broker's (server/broker/delivery.h); the engine
// never looks inside. Null: none.
struct Body;
using BodyRef = std::shared_ptr<const Body>;
// A part of a body's bytes, with all that describes them: one task's payload in that of its run.
struct BodyPart {
  BodyRef body;
  uint64_t begin = 0;
  uint64_t bytes = 0;
};

// Tasks of one session that follow one another.
struct TaskRange {
  TaskId first;
  uint32_t count = 1;

  TaskId At(uint32_t index) const { return {first.session, first.sequence + index}; }
  bool Contains(TaskId task) const {
    return task.session == first.session && task.sequence >= first.sequence &&
           task.sequence - first.sequence < count;
  }
};

// Queue and type names are shared: tasks are many, names are few.
using Name = std::shared_ptr<const std::string>;

enum class Discipline : uint8_t { kFifo = 1, kLifo = 2, kPriority = 3 };
enum class TaskState : uint8_t {
  kScheduled = 1,
  kQueued = 2,
  kRunning = 3,
  kSucceeded = 4,
  kFailed = 5,
  kCancelled = 6,
  kExpired = 7,
};
enum class Durability : uint8_t { kMemory = 1, kWritten = 2, kSynced = 3 };
enum class AttemptEnd : uint8_t { kSucceeded = 1, kFailed = 2, kStopped = 3, kReleased = 4 };
enum class StopReason : uint8_t {
  kNone = 0,
  kCancelled = 1,
  kAttemptTimeout = 2,
  kDeadline = 3,
  kLeaseLost = 4,
};

constexpr bool IsFinal(TaskState state) { return state >= TaskState::kSucceeded; }

// What a queue keeps of the tasks that fail in it: see dead_letters.h.
struct DeadLetterPolicy {
  int64_t max_tasks = limits::kDeadLetters;  // 0: none
  int64_t max_bytes = limits::kDeadLetterBytes;
  int64_t ttl_ms = limits::kDeadLetterTtlMs;

  bool operator==(const DeadLetterPolicy&) const = default;
};

// When a queue pauses itself: see pauses.h.
struct CircuitBreaker {
  int32_t failure_percent = 0;  // 0: never
  int32_t min_attempts = limits::kBreakerAttempts;
  int64_t window_ms = limits::kBreakerWindowMs;
  int64_t resume_after_ms = 0;  // 0: when somebody resumes it

  bool operator==(const CircuitBreaker&) const = default;
};

struct QueueConfig {
  std::string name;
  Discipline discipline = Discipline::kFifo;
  int64_t max_tasks = 0;
  int64_t max_bytes = 0;
  DeadLetterPolicy dead_letters = {};
  CircuitBreaker breaker = {};
  int64_t fail_unserved_after_ms = 0;  // see unserved.h; 0: never

  bool operator==(const QueueConfig&) const = default;
};

struct RetryPolicy {
  int64_t initial_delay_ms = 1'000;
  double multiplier = 2;
  int64_t max_delay_ms = 60'000;
  double jitter = 0.1;
  std::vector<std::string> no_retry_error_types;

  bool operator==(const RetryPolicy&) const = default;
};

// Dead letters of a queue.
struct LetterMatch {
  std::string type;               // empty: every type
  std::optional<uint64_t> group;  // absent: all

  bool operator==(const LetterMatch&) const = default;
};

// Where tasks go that are submitted again.
struct RedriveTo {
  std::string queue;         // empty: that which they failed in
  int32_t max_attempts = 0;  // 0: as it was

  bool operator==(const RedriveTo&) const = default;
};

enum class JobAction : uint8_t { kRedriveLetters = 1, kDeleteLetters = 2, kCancelTasks = 3 };
enum class JobState : uint8_t { kRunning = 1, kDone = 2, kCancelled = 3 };

// What a job does to which tasks: see jobs.h.
struct JobSpec {
  JobAction action{};
  std::string queue;    // of kCancelTasks, empty: every queue
  LetterMatch match;    // of kCancelTasks, only its type
  uint32_t states = 0;  // of kCancelTasks: a bit mask of 1 << TaskState; 0: all
  // What else they must be, as search::Parse reads it, without a word about the order; empty:
  // nothing. Ages count from the job's start.
  std::string filter;
  RedriveTo to;
  bool dry_run = false;
  int32_t tasks_per_second = 0;  // 0: as fast as it goes
  std::string reason;            // for people

  bool operator==(const JobSpec&) const = default;
};

// What a worker says of itself, for operators: "zone" and "a", say.
using Labels = std::map<std::string, std::string>;

// The workers that a drain is about: those that match both.
struct DrainMatch {
  std::string worker;  // their name, a pattern of names with * and ?, or one's id; empty: all
  Labels labels;       // that they all have

  bool operator==(const DrainMatch&) const = default;
};

// Who has a command done, as far as he says.
struct Actor {
  std::string name;
  std::string peer;
};

// What operators do: see v1.ActionKind.
enum class ActionKind : uint8_t {
  kQueueCreated = 1,
  kQueueUpdated,
  kQueueClosed,
  kQueueReopened,
  kQueueDeleted,
  kQueuePaused,
  kQueueResumed,
  kQueuePurged,
  kTaskCancelled,
  kLettersRedriven,
  kLettersDeleted,
  kJobStarted,
  kJobCancelled,
  kDrainSet,
  kDrainRemoved,
  kWorkerReleased,
};

// 128 bits over all that makes two submits "the same content": type, payload, content type,
// headers, options. The edge computes it for submits with a request key.
struct ContentDigest {
  uint64_t high = 0;
  uint64_t low = 0;

  bool operator==(const ContentDigest&) const = default;
};

struct TaskSpec {
  std::string queue;
  std::string type;
  int32_t priority = 0;
  int64_t run_at_ms = 0;       // a date, Unix time; 0: see delay_ms
  int64_t delay_ms = 0;        // from acceptance
  int64_t deadline_at_ms = 0;  // a date, Unix time; 0: see deadline_in_ms
  int64_t deadline_in_ms = 0;  // from acceptance; 0: none
  int64_t attempt_timeout_ms = 0;
  int64_t result_ttl_ms = 3'600'000;
  int32_t max_attempts = 3;
  Durability durability = Durability::kSynced;
  uint64_t payload_bytes = 0;
  // Null: the default policy. Shared, because most tasks of a program use the same one.
  std::shared_ptr<const RetryPolicy> retry;
  std::string request_key;  // empty: none
  ContentDigest digest;     // with a request key
};

// What a client shows to resume its session: 128 random bits, made by the edge.
struct ResumeSecret {
  uint64_t high = 0;
  uint64_t low = 0;

  bool operator==(const ResumeSecret&) const = default;
};

// Without its details: as a result's bytes, they go to the store beside the row.
struct TaskError {
  std::string type;
  std::string message;
  std::string worker;
  int32_t attempt = 0;
  bool permanent = false;
  std::optional<int32_t> exit_code;
  std::optional<int32_t> signal;
  std::optional<int64_t> retry_after_ms;

  bool operator==(const TaskError&) const = default;
};

// Why a worker gets no more tasks: see quarantines.h.
struct Quarantine {
  int64_t since_ms = 0;          // Unix time
  int64_t failed = 0;            // of its attempts, in a row
  int64_t others_succeeded = 0;  // attempts of the same queues and types, meanwhile
  std::string queue;             // of the last one that failed, this and what follows
  std::string type;
  TaskError error;

  bool operator==(const Quarantine&) const = default;
};

// An attempt that failed. All times are Unix time.
struct FailedAttempt {
  TaskError error;  // its message is cut: see history.h
  int64_t runnable_at_ms = 0;
  int64_t leased_at_ms = 0;
  int64_t started_at_ms = 0;  // 0: its holder had not said so
  int64_t ended_at_ms = 0;

  bool operator==(const FailedAttempt&) const = default;
};

struct PoolSpec {
  std::string name;
  int32_t slots = 0;
  std::vector<std::string> types;  // empty: every type
};

// What a worker needs to run one attempt, but for the payload, which the broker adds.
struct Lease {
  // The first of `tasks` that follow one another, and so do their tokens. Several are of one run.
  TaskId task;
  uint32_t tasks = 1;
  Token token{};
  // Where their payloads are: in the row of the run that they were submitted with.
  TaskId row;
  uint64_t payload_begin = 0;
  uint64_t payload_bytes = 0;
  std::vector<uint32_t> payload_sizes;  // of each, if they are several
  Name queue;
  Name type;
  int32_t attempt = 0;
  int32_t max_attempts = 0;
  int32_t priority = 0;
  int32_t pool = 0;
  int64_t attempt_timeout_ms = 0;
  int64_t deadline_at_ms = 0;  // service time, also of a date; 0: none
  int64_t lease_ms = 0;        // of a unary lease: from its grant, unless it is extended
  bool confirm_start = false;
};

}  // namespace treadle::engine
