#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proto/support/clock.h"
#include "server/engine/types.h"

// What the engine wants stored. Putting a row replaces the one of the same kind and key. Loading
// every stored row into a new engine restores it. The broker turns rows into bytes
// (server/broker/row_codec.h).

namespace treadle::engine {

// The counters that must never go back. Written in each turn that moved one.
struct MetaRow {
  uint64_t next_session = 1;
  uint64_t next_token = 1;
  uint64_t next_grant = 1;
  uint64_t next_order = 1;
  uint64_t next_letter = 1;
  uint64_t actions = 0;  // the latest ActionRow's number
};

// Why a queue starts nothing, and for how long: see pauses.h.
struct Pause {
  int64_t since_ms = 0;  // Unix time; 0: it is not paused
  int64_t until_ms = 0;  // service time; 0: until somebody resumes it
  bool by_breaker = false;
  std::string reason;  // for people
};

struct QueueRow {
  QueueConfig config;
  Pause pause;
  int64_t created_at_ms = 0;  // Unix time
  bool closed = false;
  int64_t version = 1;
};

// A task that was accepted, or a run of several. Written once, with the payloads. What changes
// later stands in AttemptRow, GrantRow and RunRow; when the last of its tasks has ended it is
// deleted.
struct TaskRow {
  TaskId id;           // of the first one; the others follow
  TaskSpec spec;       // as it was submitted
  uint64_t order = 0;  // position in submit order, of the first one
  int64_t submitted_at_ms = 0;
  std::vector<uint32_t> payload_sizes;  // of each task of a run; empty: one task
  BodyPart payload;                     // stored in the same row; not needed to load it

  uint32_t tasks() const {
    return payload_sizes.empty() ? 1 : static_cast<uint32_t>(payload_sizes.size());
  }
};

// Which tasks of a run have ended, while others have not. Goes with the TaskRow.
struct RunRow {
  TaskId id;                                            // the TaskRow's
  std::vector<std::pair<uint64_t, uint64_t>> finished;  // inclusive ranges of sequences, ascending
};

// What attempts have left behind. Written when an attempt ended without ending the task, and when a
// running task is told to stop, or its lease is extended by more than a restart would give it.
struct AttemptRow {
  TaskId id;
  int32_t attempts_spent = 0;
  Token last_token{};     // leases with this token or an older one are over
  int64_t run_at_ms = 0;  // the next attempt not before; 0: at once
  // Of the unary lease that it is under: how long it lives after a restart; 0: as its grant says.
  int64_t lease_ms = 0;
  // Leases since the last attempt that was spent: lost without word of a start, and handed back.
  int32_t losses = 0;
  int32_t returns = 0;
  bool cancel_requested = false;
  bool suspect = false;  // may have been executing when a worker died: see Lease::confirm_start
  std::string cancel_reason;
  std::vector<FailedAttempt> failed;
};

// Leases given to one holder in one turn. The i-th task of them all has token first_token + i. A
// lease is over when its task is finished, or the task's AttemptRow has a last_token that is not
// below it. The row is deleted when all its leases are over.
struct GrantRow {
  GrantId grant{};
  std::string worker_id;  // empty: a unary Lease
  std::string worker_name;
  Token first_token{};
  int64_t granted_at_ms = 0;
  int64_t lease_ms = 0;
  std::vector<TaskRange> tasks;
};

// A task that has ended, or several of a run that have succeeded together. The store drops it at
// `drop_at_ms`. The other times are Unix time, as it was then, for people. Whoever stores this row
// deletes the task's TaskRow, unless that stays.
struct FinishedRow {
  TaskId id;                    // of the first one; the others follow
  uint32_t tasks = 1;           // one only, unless they are of a run
  bool task_row_stays = false;  // it is a run's, or will be a dead letter's
  Name queue;
  Name type;
  TaskState state = TaskState::kSucceeded;
  int32_t priority = 0;
  int32_t attempts = 0;
  int32_t max_attempts = 0;
  int64_t submitted_at_ms = 0;
  int64_t deadline_at_ms = 0;
  int64_t finished_at_ms = 0;
  int64_t expires_at_ms = 0;
  int64_t drop_at_ms = 0;
  uint64_t payload_bytes = 0;  // of all of them
  std::string request_key;
  // Of the last attempt, if there was one: its worker, and as FailedAttempt's.
  Name worker;
  int64_t leased_at_ms = 0;
  int64_t started_at_ms = 0;
  std::vector<FailedAttempt> failed;
  TaskError error;
  BodyPart body;  // stored in the same row: their results, or the details of its error
  // Of several: the bytes of each payload, and of each result in `body`.
  std::vector<uint32_t> payload_sizes;
  std::vector<uint32_t> result_sizes;
};

// A task that has FAILED, and that its queue keeps: all but its spec and payload, which are in the
// DeadTaskRow. Times are Unix time, but for dead_since_ms.
struct DeadLetterRow {
  Name queue;
  uint64_t number = 0;  // grows: a queue's dead letters are in the order in which they came
  TaskId id;
  Name type;
  int32_t priority = 0;
  int32_t attempts = 0;
  int32_t max_attempts = 0;
  int64_t submitted_at_ms = 0;
  int64_t deadline_at_ms = 0;
  int64_t finished_at_ms = 0;
  int64_t dead_since_ms = 0;
  uint64_t payload_bytes = 0;
  std::string request_key;
  std::vector<FailedAttempt> failed;
  TaskError error;
  uint64_t group = 0;  // LetterGroupRow's
  int64_t bytes = 0;   // that it takes, about
};

// The TaskRow of a dead letter, from where it does not come back at a start.
struct DeadTaskRow {
  TaskRow task;  // one task
  uint64_t letter = 0;
};

// A queue's dead letters that say the same.
struct LetterGroup {
  Name type;
  std::string error_type;
  std::string error_message;  // the latest one's
  int64_t count = 0;
  int64_t bytes = 0;
  int64_t first_at_ms = 0;  // Unix time, this and the next
  int64_t last_at_ms = 0;
  TaskId last;
};
struct LetterGroupRow {
  Name queue;
  uint64_t fingerprint = 0;
  LetterGroup group;
};

// A dead letter whose task still has the row that it had before it failed, or that of its run.
struct LetterMoveRow {
  TaskId id;
  Name queue;
  uint64_t letter = 0;
  TaskId row;
};

// Where a dead letter is whose task still has the row that it had: its own, or its run's.
struct MovingLetter {
  Name queue;
  uint64_t number = 0;
  TaskId row;
};

// A task that a job could not do its work to, and why.
struct JobRefusal {
  TaskId task;
  int32_t code = 0;  // absl::StatusCode
  std::string message;

  bool operator==(const JobRefusal&) const = default;
};

// What is done to many tasks, and how far that is: see jobs.h.
struct JobRow {
  uint64_t id = 0;  // numbered along with sessions
  JobSpec spec;
  JobState state = JobState::kRunning;
  int64_t started_at_ms = 0;  // Unix time, this and the next
  int64_t ended_at_ms = 0;    // 0: it has not
  // The numbers of dead letters, or the orders of tasks: the next to look at, and the first that
  // has come since the start.
  uint64_t next = 0;
  uint64_t end = 0;
  int64_t total = 0;
  int64_t looked_at = 0;
  int64_t done = 0;
  int64_t refused = 0;
  std::vector<JobRefusal> refusals;  // the first of them
};

// Workers that shall end, and get no tasks: see drains.h.
struct DrainRow {
  uint64_t id = 0;  // numbered along with sessions
  DrainMatch match;
  std::string reason;         // for people
  int64_t created_at_ms = 0;  // Unix time
  int64_t until_ms = 0;       // service time; 0: until it is removed
};

// Something that an operator did: see action_log.h.
struct ActionRow {
  uint64_t number = 0;
  int64_t at_ms = 0;  // Unix time
  ActionKind kind{};
  std::string subject;
  std::string details;
  std::string reason;
  Actor actor;
};

// Which sequences of a session were accepted: disjoint, ascending, inclusive ranges of those not
// below `floor`.
struct SessionRow {
  uint64_t session = 0;
  uint64_t floor = 1;
  std::vector<std::pair<uint64_t, uint64_t>> accepted;
  ResumeSecret secret;
};

// How the holder of a lease said that its attempt ended.
struct AcceptedReport {
  Token token{};
  AttemptEnd end = AttemptEnd::kSucceeded;

  bool operator==(const AcceptedReport&) const = default;
};

// Unary reports that were accepted in one turn. Rows are numbered 1, 2, 3, ...; the oldest are
// deleted when enough newer ones are there (EngineOptions::reports_kept_max).
struct ReportsRow {
  uint64_t number = 0;
  std::vector<AcceptedReport> reports;
};

// A request key's task. Dropped after expires_at_ms by the store.
struct KeyRow {
  std::string queue;
  std::string key;
  TaskId task;
  ContentDigest digest;
  int64_t expires_at_ms = 0;
};

// Where the store's line of service time is. The broker's own: the engine ignores it.
struct ClockRow {
  ClockMark mark;
};

// What tasks say while they run (treadle/v1/output.proto). These three rows are the broker's own,
// too.
enum class OutputKind : uint8_t { kLog = 1, kStandardError = 2, kPart = 3, kNotice = 4 };
struct OutputEntry {
  OutputKind kind = OutputKind::kLog;
  int64_t time_ms = 0;
  std::string data;
  std::string content_type;
};
// How far the output of an unfinished task has come.
struct OutputRow {
  // `next_index` and `bytes` are of its entries; those that were not kept have an index, too.
  struct Attempt {
    Token token{};
    int32_t number = 0;
    uint64_t first = 0;  // offset of its first entry
    uint64_t next_index = 0;
    uint64_t bytes = 0;  // kept
    bool full = false;   // no more of it is kept
  };
  TaskId task;
  uint64_t next = 0;              // offset of what comes next
  std::vector<Attempt> attempts;  // of which something is kept, ascending; the last one goes on
};
// Entries that follow one another, of one attempt.
struct OutputPieceRow {
  TaskId task;
  uint64_t first = 0;  // offset
  Token token{};
  int32_t attempt = 0;
  std::vector<OutputEntry> entries;
};
// From then on a task's pieces with offsets below `before` are to be deleted: the task has ended,
// and its outcome goes, or they were superseded and had to give room.
struct OutputExpiryRow {
  int64_t at_ms = 0;  // service time
  TaskId task;
  uint64_t before = UINT64_MAX;
};

using Row = std::variant<MetaRow, QueueRow, TaskRow, RunRow, AttemptRow, GrantRow, FinishedRow,
                         SessionRow, KeyRow, ReportsRow, ClockRow, DeadLetterRow, DeadTaskRow,
                         LetterGroupRow, LetterMoveRow, JobRow, DrainRow, ActionRow, OutputRow,
                         OutputPieceRow, OutputExpiryRow>;

struct QueueKey {
  std::string name;
};
// The row of a task that has ended without leaving an outcome (its result time-to-live is 0), or of
// a run whose tasks have all ended.
struct TaskKey {
  TaskId id;
};
struct RunKey {
  TaskId id;
};
struct AttemptKey {
  TaskId id;
};
struct GrantKey {
  GrantId grant{};
};
struct SessionKey {
  uint64_t session = 0;
};
struct ReportsKey {
  uint64_t number = 0;
};

struct DeadLetterKey {
  Name queue;
  uint64_t number = 0;
};
struct DeadTaskKey {
  TaskId id;
};
struct LetterGroupKey {
  Name queue;
  uint64_t fingerprint = 0;
};
struct LetterMoveKey {
  TaskId id;
};
struct JobKey {
  uint64_t id = 0;
};
struct DrainKey {
  uint64_t id = 0;
};
struct ActionKey {
  uint64_t number = 0;
};

struct OutputKey {
  TaskId task;
};
struct OutputPieceKey {
  TaskId task;
  uint64_t first = 0;
};
struct OutputExpiryKey {
  int64_t at_ms = 0;
  TaskId task;
};
using RowKey = std::variant<QueueKey, TaskKey, RunKey, AttemptKey, GrantKey, SessionKey, ReportsKey,
                            DeadLetterKey, DeadTaskKey, LetterGroupKey, LetterMoveKey, JobKey,
                            DrainKey, ActionKey, OutputKey, OutputPieceKey, OutputExpiryKey>;

// A row to put, or the key of one to delete. Applied in order, all or nothing.
using RowChange = std::variant<Row, RowKey>;

}  // namespace treadle::engine
