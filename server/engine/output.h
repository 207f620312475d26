#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

#include "proto/search/filter.h"
#include "proto/support/task_id.h"
#include "server/engine/row.h"
#include "server/engine/types.h"

// What the engine wants said, to whom. The broker releases an output when the turn's rows have
// reached `Output::after`.

namespace treadle::engine {

// Answers CreateQueue, UpdateQueue, DeleteQueue, PauseQueue, PurgeQueue. The queue as it then is:
// Engine::FindQueue.
struct QueueChanged {
  CallId call{};
  absl::Status status;
  std::string name;
  int64_t cancelled_tasks = 0;
};

struct SessionOpened {
  CallId call{};
  absl::Status status;
  uint64_t session = 0;
  bool resumed = false;
  ResumeSecret secret;
};

struct Submitted {
  CallId call{};
  uint64_t item = 0;
  TaskId id;
  absl::Status status;
  bool existing = false;  // its request key named `id`, which was there already
  // Accepted: how safe the task is when this is released.
  Durability durability = Durability::kMemory;
  uint32_t tasks = 1;      // as many, with the items and ids that follow
  bool no_worker = false;  // just accepted, and nobody who is there takes their type
};

// OK also for a running task that was told to stop, and for one that had ended in memory this turn.
// NOT_FOUND: not unfinished; the broker then looks among the finished ones.
struct CancelDone {
  CallId call{};
  uint64_t item = 0;
  TaskId task;
  absl::Status status;
};

struct WorkerAttached {
  CallId call{};
  absl::Status status;
  std::vector<Token> revoked_tokens;
};

// For an attached worker that shall drain.
struct DrainAsked {
  CallId call{};
};

// Answers SetDrain and RemoveDrain. The drain as it then is: Engine::FindDrain.
struct DrainChanged {
  CallId call{};
  absl::Status status;
  uint64_t drain = 0;
};

// Answers ReleaseWorker.
struct WorkersReleased {
  CallId call{};
  absl::Status status;
  int64_t workers = 0;
};

// A worker went into quarantine; or was released because it was needed. For the log.
struct QuarantineNews {
  std::string worker_id;
  Name worker;
  Quarantine quarantine;
  bool needed = false;
};

// Tasks for an attached worker, or the answer to PollTasks (then once, empty when the wait is
// over).
struct Dispatched {
  CallId call{};
  std::vector<Lease> leases;
  int64_t waited_ms = 0;  // a poll, for them
};

struct StopAttempt {
  CallId call{};
  Token token{};
  StopReason reason = StopReason::kNone;
};

// Answers EndAttempt (refusals, and every one that asked) .
struct ReportDone {
  CallId call{};
  uint64_t item = 0;
  Token token{};
  absl::Status status;
};

struct ReportsHandled {
  CallId call{};
  uint64_t sequence = 0;
};

struct LeaseExtended {
  CallId call{};
  uint64_t item = 0;
  Token token{};
  absl::Status status;
  StopReason stop = StopReason::kNone;
  int64_t lease_ms = 0;  // how long it lives now, from this moment
};

// A task reached a final state.
struct TaskFinished {
  std::shared_ptr<const FinishedRow> row;
};

// A watched task's state changed, but not to a final one.
struct TaskChanged {
  TaskId task;
};

// Most of this run has ended, and what is left gets rows of its own: the broker reads its row, and
// answers with CompactRun in a later turn. One at a time.
struct CompactionDue {
  TaskId run;
};

// The rows of these tasks are to be moved to their dead letters: the broker reads them, and answers
// with MoveDeadTasks in a later turn. One at a time.
struct LetterMovesDue {
  struct Move {
    TaskId task;
    TaskId row;  // that has its payload: its own, or its run's
  };
  std::vector<Move> moves;
};

// These may be dead letters: the broker reads them, from the first on as many as it likes, and
// answers with LettersFound in a later turn.
struct LettersWanted {
  struct Wanted {
    TaskId task;
    std::optional<MovingLetter> moving;  // its task's row is still elsewhere
  };
  uint64_t reading = 0;  // comes back in the answer
  std::vector<Wanted> wanted;
  bool with_tasks = false;
};

// Answers TakeLetters: of each, in their order.
struct LettersTaken {
  struct Taken {
    absl::Status status;
    TaskId redriven_as;
  };
  CallId call{};
  std::vector<Taken> letters;
};

// Answers StartJob and CancelJob. The job as it then is: Engine::FindJob.
struct JobChanged {
  CallId call{};
  absl::Status status;
  uint64_t job = 0;
};

// A job wants dead letters of this queue that match, at most `limit` of them, with numbers from
// `from` on and below `before`: the broker reads some, and answers with JobLettersFound in a later
// turn.
struct JobLettersWanted {
  uint64_t job = 0;
  uint64_t reading = 0;  // both come back in the answer
  std::string queue;
  uint64_t from = 0;
  uint64_t before = 0;
  LetterMatch match;
  std::shared_ptr<const search::Filter> filter;  // that they match, too; null: none
  int64_t ages_from_ms = 0;                      // Unix time
  size_t limit = 0;
  bool with_tasks = false;
};

// Which of these unfinished tasks have headers that a job's filter takes: the broker reads them,
// and answers with JobTasksFound in a later turn.
struct JobTasksWanted {
  struct Candidate {
    TaskId task;
    TaskId row;  // that has its payload
  };
  uint64_t job = 0;
  std::vector<Candidate> candidates;
  std::shared_ptr<const search::Filter> filter;
};

// This queue may have dead letters to drop: the broker reads the oldest, those from this number on,
// and answers with SweepDeadLetters in a later turn.
struct SweepDue {
  std::string queue;
  uint64_t reading = 0;  // comes back in the answer
  uint64_t from = 0;
};

// The engine gives a stream up: replaced by a newer one, or its peer broke the rules.
struct EndCall {
  CallId call{};
  absl::Status status;
};

using Event = std::variant<QueueChanged, SessionOpened, Submitted, CancelDone, WorkerAttached,
                           DrainAsked, DrainChanged, WorkersReleased, QuarantineNews, Dispatched,
                           StopAttempt, ReportDone, ReportsHandled, LeaseExtended, TaskFinished,
                           TaskChanged, CompactionDue, LetterMovesDue, LettersWanted, LettersTaken,
                           JobChanged, JobLettersWanted, JobTasksWanted, SweepDue, EndCall>;

struct Output {
  Durability after = Durability::kSynced;
  Event event;
};

// What one turn's steps add up to. The broker hands the same object to every step of a turn.
struct Effects {
  std::vector<RowChange> changes;
  std::vector<Output> outputs;
};

}  // namespace treadle::engine
