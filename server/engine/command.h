#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

#include "server/engine/incarnation.h"
#include "server/engine/row.h"
#include "server/engine/types.h"

// What the engine is told. `call` is where the answer goes. `by`: an operator has it done, and it
// is noted when it has changed something (action_log.h).

namespace treadle::engine {

// A life of the broker begins: sessions and tokens are numbered from here, or from where the stored
// counters are if that is further. The first command after loading. What follows from it must be
// durable before anything leaves.
struct BeginLife {
  Incarnation incarnation{};
};

struct CreateQueue {
  CallId call{};
  QueueConfig config;
  Origin origin{};
  std::optional<Actor> by = std::nullopt;
};
struct UpdateQueue {
  CallId call{};
  std::string name;
  std::optional<int64_t> max_tasks;
  std::optional<int64_t> max_bytes;
  std::optional<bool> closed = std::nullopt;
  std::optional<int64_t> dead_letters_max_tasks = std::nullopt;
  std::optional<int64_t> dead_letters_max_bytes = std::nullopt;
  std::optional<int64_t> dead_letters_ttl_ms = std::nullopt;
  std::optional<CircuitBreaker> breaker = std::nullopt;
  std::optional<int64_t> fail_unserved_after_ms = std::nullopt;
  int64_t if_version = 0;  // only if the queue's is this one; 0: whatever it is
  std::optional<Actor> by = std::nullopt;
};
struct DeleteQueue {
  CallId call{};
  std::string name;
  std::optional<Actor> by = std::nullopt;
};
struct PauseQueue {
  CallId call{};
  std::string name;
  bool paused = true;
  std::string reason = {};  // for people, this and the next when it is paused
  int64_t for_ms = 0;       // 0: until it is resumed
  std::optional<Actor> by = std::nullopt;
};
struct PurgeQueue {
  CallId call{};
  std::string name;
  std::optional<Actor> by = std::nullopt;
};

// A client's session, new (session 0) or resumed. A session has one stream at most: opening it
// again ends the older one.
struct OpenSession {
  CallId call{};
  uint64_t session = 0;
  // Only a new number, for ids of tasks that are submitted outside of sessions. Nothing is kept
  // that could be resumed: no client can get at these ids.
  bool for_unary = false;
  // New: the one that will resume it. Resumed: the one that was shown; another than the session's
  // own is answered as if there were no such session.
  ResumeSecret secret;
  // Resumed: what its client has acknowledged. A session that knows of nothing near that is the
  // client's no more: the store is an older copy.
  uint64_t acknowledged_below = 0;
  Origin origin{};
};
// The session's client will never again send a sequence below this one.
struct AcknowledgeSession {
  CallId call{};
  uint64_t below = 0;
};
// The client is finished with its session: it will not be resumed.
struct CloseSession {
  CallId call{};
};

// One task, or a run of several: alike in all but their payloads, with ids and items that follow
// one another. What is said of a run is meant of each of its tasks.
struct Submit {
  CallId call{};
  uint64_t item = 0;  // echoed in the answer: an index in the batch, or the session's sequence
  TaskId id;          // chosen by the session's owner
  // The id's session is the call's own, and its sequence counts for detecting repeats.
  bool sequenced = false;
  Origin origin{};  // who pays for a queue that is made for it
  TaskSpec spec;
  int64_t wait_if_full_ms = 0;
  // Not OK: why this is no submit to accept (it is malformed, the disk is nearly full). One that
  // was accepted before, or waits for room, is answered as such all the same: a refusal would say
  // what is not so.
  absl::Status refusal;
  // What the store knows of (queue, request key), for keys whose task is not in memory any more.
  // The broker looks it up when Engine::NeedsKeyLookup says so.
  std::optional<KeyRow> known_key;
  // Of a run: how many bytes each task's payload has, together spec.payload_bytes. Empty: one task.
  // A run has no request key.
  std::vector<uint32_t> payload_sizes;
  BodyPart payload;  // of a run: all of them, one behind the other
  // What the payload holds in memory. Counts while the submit waits for room.
  int64_t held_bytes = 0;

  uint32_t tasks() const {
    return payload_sizes.empty() ? 1 : static_cast<uint32_t>(payload_sizes.size());
  }
};

struct Cancel {
  CallId call{};
  uint64_t item = 0;
  TaskId task;
  std::string reason = {};  // for people; of a running task the first one counts
  std::optional<Actor> by = std::nullopt;
};

// A worker's stream begins. The worker's leases from before are reconciled with `held_tokens`;
// which of these execute is said by StartAttempt, as ever.
struct AttachWorker {
  CallId call{};
  std::string worker_id;
  std::string worker_name;
  std::string peer;
  std::vector<std::string> queues;
  std::vector<PoolSpec> pools;
  std::vector<Token> held_tokens;
  Origin origin{};
  Labels labels = {};
};
// Any message of an attached worker, whatever else it carries: renews its leases.
struct Heartbeat {
  CallId call{};
};
struct AddCredit {
  CallId call{};
  int32_t pool = 0;
  int32_t tasks = 0;
};
struct DrainWorker {
  CallId call{};
};
// From an operator: the workers that match shall take no more tasks, and end when what they run has
// ended. This and the next are answered by DrainChanged.
struct SetDrain {
  CallId call{};
  DrainMatch match;
  std::string reason = {};
  int64_t for_ms = 0;  // 0: until it is removed
  std::optional<Actor> by = std::nullopt;
};
struct RemoveDrain {
  CallId call{};
  uint64_t drain = 0;
  std::optional<Actor> by = std::nullopt;
};
// From an operator: the workers in quarantine with this id or name get tasks again. Answered by
// WorkersReleased.
struct ReleaseWorker {
  CallId call{};
  std::string worker;
  std::string reason = {};
  std::optional<Actor> by = std::nullopt;
};
struct StartAttempt {
  CallId call{};
  Token token{};
};
// From an attached worker or a unary Complete. What succeeded may be several leases, whose tokens
// follow one another.
struct EndAttempt {
  CallId call{};
  uint64_t item = 0;
  Token token{};  // of the first one
  // Of several: how many bytes each result has, together those of `body`. Empty: one lease.
  std::vector<uint32_t> result_sizes;
  AttemptEnd end = AttemptEnd::kSucceeded;
  TaskError error;
  // Answer with ReportDone also when accepted (unary); otherwise only when refused.
  bool reply = false;
  BodyPart body;  // with kSucceeded the results, with kFailed the error's details

  uint32_t tasks() const {
    return result_sizes.empty() ? 1 : static_cast<uint32_t>(result_sizes.size());
  }
};
// The reports up to `sequence` have all been given to the engine: answered, in order, when they are
// durable.
struct EndReports {
  CallId call{};
  uint64_t sequence = 0;
};

// A unary Lease call: waits for tasks until `wait_ms` is over. Each lease lives for `lease_ms`
// unless extended.
struct PollTasks {
  CallId call{};
  std::vector<std::string> queues;
  std::vector<std::string> types;  // empty: every type
  std::string worker_name;
  int32_t max_tasks = 1;
  int64_t lease_ms = 0;
  int64_t wait_ms = 0;
  Origin origin{};
};
struct ExtendLease {
  CallId call{};
  uint64_t item = 0;
  Token token{};
  int64_t lease_ms = 0;
};

// A call is over, whatever it was: its stream broke or ended, its client gave up. What waits for it
// is given up; a worker's leases live on until they expire, a session until its resume window is
// over.
struct CallClosed {
  CallId call{};
};

// Emit TaskChanged for this task, from now on until it ends (or stop that).
struct WatchTask {
  TaskId task;
  bool watch = true;
};

// Answers CompactionDue: the run's row as it is stored, with the payloads; absent: there is none.
struct CompactRun {
  std::optional<TaskRow> row;
};

// Answers LetterMovesDue: the rows of those tasks that are there, with their payloads, in the same
// order. One task each.
struct MoveDeadTasks {
  std::vector<TaskRow> rows;
};
// Dead letters, by their tasks, are dropped, or dropped when their tasks have been submitted again.
// Answered by LettersTaken.
struct TakeLetters {
  CallId call{};
  std::vector<TaskId> tasks;
  std::optional<RedriveTo> redrive;  // absent: they are dropped
  Origin origin{};
  std::optional<Actor> by = std::nullopt;
};
// Answers LettersWanted: of the first `looked_at` of them, those that are dead letters, in their
// order.
struct LettersFound {
  struct Letter {
    DeadLetterRow row;
    std::optional<TaskRow> task;  // if that was asked for, and is there
  };
  uint64_t reading = 0;
  size_t looked_at = 0;
  std::vector<Letter> letters;
  TaskId first_id;  // ids for as many new tasks as there are letters
};
// Answered by JobChanged.
struct StartJob {
  CallId call{};
  JobSpec spec;
  std::optional<Actor> by = std::nullopt;
};
struct CancelJob {
  CallId call{};
  uint64_t job = 0;
  std::optional<Actor> by = std::nullopt;
};
// Answers JobLettersWanted: those that match, of as many as were looked at.
struct JobLettersFound {
  uint64_t job = 0;
  uint64_t reading = 0;
  int64_t looked_at = 0;
  std::vector<LettersFound::Letter> letters;
  std::optional<uint64_t> next;  // go on from it; absent: there are no more
  TaskId first_id;               // ids for as many new tasks as there are letters
};
// Answers JobTasksWanted: those whose headers match, in their order.
struct JobTasksFound {
  uint64_t job = 0;
  std::vector<TaskId> tasks;
};
// Answers SweepDue: the queue's dead letters from there on, as many as were looked at.
struct SweepDeadLetters {
  std::string queue;
  uint64_t reading = 0;
  std::vector<DeadLetterRow> letters;
  bool end = false;  // there are no more
};

using Command =
    std::variant<BeginLife, CreateQueue, UpdateQueue, DeleteQueue, PauseQueue, PurgeQueue,
                 OpenSession, AcknowledgeSession, CloseSession, Submit, Cancel, AttachWorker,
                 Heartbeat, AddCredit, DrainWorker, SetDrain, RemoveDrain, ReleaseWorker,
                 StartAttempt, EndAttempt, EndReports, PollTasks, ExtendLease, CallClosed,
                 WatchTask, CompactRun, MoveDeadTasks, TakeLetters, LettersFound, StartJob,
                 CancelJob, JobLettersFound, JobTasksFound, SweepDeadLetters>;

}  // namespace treadle::engine
