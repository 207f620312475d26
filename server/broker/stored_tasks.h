#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "proto/support/task_id.h"
#include "server/broker/delivery.h"
#include "server/broker/row_codec.h"
#include "server/engine/command.h"
#include "server/engine/output.h"
#include "server/engine/row.h"
#include "server/engine/view.h"
#include "server/store/store.h"

namespace treadle::broker {

// A place among the tasks that have ended.
struct FinishedPlace {
  TaskId row;         // the last task of the row that it is in; there need not be such a row
  uint32_t skip = 0;  // of the row's tasks, those that are passed already
};

// How far a look through tasks that have ended has come.
struct FinishedLookedAt {
  int64_t searched = 0;               // tasks
  std::optional<FinishedPlace> next;  // go on from it; absent: there are no more
};

// Some of a queue's dead letters.
struct DeadLetterRange {
  std::string_view queue;
  uint64_t from = 0;  // numbers, this and the next
  uint64_t before = UINT64_MAX;
  size_t limit = 0;          // at least 1
  size_t rows_max = 10'000;  // to look at
  engine::LetterMatch match = {};
};
struct DeadLetterPage {
  std::vector<engine::DeadLetterRow> rows;
  int64_t searched = 0;
  std::optional<uint64_t> next;  // go on from it; absent: there are no more
};

// A dead letter, and the task that it is about, if that was asked for. Absent then: its row is
// lost.
struct StoredLetter {
  engine::DeadLetterRow letter;
  std::optional<engine::TaskRow> task;
};

// Some of what operators did, the newest first.
struct ActionPage {
  std::vector<engine::ActionRow> rows;
  std::optional<uint64_t> before;  // go on with those below it; absent: there are no more
};

// Some of a task's output, each piece with no more entries than were asked for.
struct OutputPage {
  std::vector<engine::OutputPieceRow> pieces;
  uint64_t next = 0;  // where to go on
  bool all = false;   // of what was asked for
};
// Rows to delete: output whose time is over.
struct OutputToDrop {
  std::vector<engine::RowKey> keys;
  bool all = true;              // that was due
  int64_t next_ms = INT64_MAX;  // when there is more
};

// What the broker reads back from the store while it runs. One thread at a time, on which the store
// may be read (see store::Store).
class StoredTasks {
 public:
  explicit StoredTasks(store::Store& store) : store_(store) {}

  // The payloads of unfinished tasks' rows, in the order of `rows`, which may name one several
  // times. Null: there is no such row, its tasks have ended.
  std::vector<BodyPtr> Payloads(absl::Span<const TaskId> rows);
  // The row of an unfinished task, or of a run, with its payloads. Absent: there is none.
  std::optional<engine::TaskRow> Unfinished(TaskId row);
  // That of one task in the row that its run, or itself, has. Absent: it has ended.
  std::optional<BodyPart> Payload(TaskId task, TaskId row);
  // NOT_FOUND: there is no such outcome (any more).
  absl::StatusOr<OutcomeReady> Finished(TaskId task);
  // What the store knows of a request key; absent: nothing, or its window is over.
  std::optional<engine::KeyRow> RequestKey(std::string_view queue, std::string_view key);
  // Finished tasks by their ids, ascending or descending, from a place on. `fits` is asked once of
  // a row, whose tasks differ in their ids and sizes alone; then `visit` of each of its tasks, by
  // their number in the row, until it returns false, which has then not taken that one. Looks at no
  // more than 10,000 rows, those that have expired and were not dropped yet among them, nor, after
  // the first, at more than 16 MiB of them or for longer than a tenth of a second.
  using FitsRow = absl::FunctionRef<bool(const engine::FinishedRow& row)>;
  using VisitFinished = absl::FunctionRef<bool(const engine::FinishedRow& row, uint32_t index)>;
  static constexpr FinishedPlace kFirstFinished = {};
  static constexpr FinishedPlace kLastFinished = {TaskId{UINT64_MAX, UINT64_MAX}};
  absl::StatusOr<FinishedLookedAt> LookThroughFinished(FinishedPlace from, bool descending,
                                                       FitsRow fits, VisitFinished visit);

  // A queue's dead letters that match and that `accept` takes, in the order in which they came,
  // until what was read is large.
  absl::StatusOr<DeadLetterPage> ListDeadLetters(
      const DeadLetterRange& range,
      absl::FunctionRef<bool(const engine::DeadLetterRow&)> accept = TakeAll);
  // What operators did that `accept` takes, up to `limit`, with numbers below `before`.
  absl::StatusOr<ActionPage> ListActions(uint64_t before, size_t limit,
                                         absl::FunctionRef<bool(const engine::ActionRow&)> accept);
  // NOT_FOUND: this task is no dead letter (any more). `moving`: what Engine::FindMoving has said.
  absl::StatusOr<StoredLetter> FindDeadLetter(TaskId task,
                                              const std::optional<engine::MovingLetter>& moving,
                                              bool with_task);
  bool IsDeadLetter(TaskId task);
  // What a dead letter was submitted with. Absent: it is none, or its task's row is lost.
  std::optional<BodyPart> DeadPayload(TaskId task);
  // The first of these, until what was read is large: see LettersFound.
  engine::LettersFound ReadLetters(const engine::LettersWanted& wanted);
  absl::StatusOr<engine::JobLettersFound> ReadLetters(const engine::JobLettersWanted& wanted);
  // Of these unfinished tasks, those whose headers the filter takes.
  engine::JobTasksFound ReadHeaders(const engine::JobTasksWanted& wanted);
  // Each of these tasks as a row of its own, with its payload; those that are not there are left
  // out.
  std::vector<engine::TaskRow> TasksToMove(absl::Span<const engine::LetterMovesDue::Move> moves);

  // Entries with offsets in [offset, before), until `bytes_max` are read; at least one, if there is
  // one.
  absl::StatusOr<OutputPage> ReadOutput(TaskId task, uint64_t offset, uint64_t before,
                                        int64_t bytes_max);
  // The last piece of its output that begins below `before`; absent: there is none.
  std::optional<engine::OutputPieceRow> LastPiece(TaskId task, uint64_t before = UINT64_MAX);
  // What was due before this moment, until that is much.
  OutputToDrop FindOutputToDrop(int64_t before_ms);
  // When something is to be dropped that was not due before this moment; INT64_MAX: never.
  int64_t NextOutputToDropMs(int64_t from_ms);

  // Of the values that were read.
  int64_t bytes_read() const { return bytes_read_; }
  // The first error since the last time: the store is damaged or has failed, stop.
  absl::Status TakeFailure() { return std::exchange(failure_, absl::OkStatus()); }

 private:
  static bool TakeAll(const engine::DeadLetterRow&) { return true; }
  // OK or NOT_FOUND; anything else is a failure, too.
  absl::StatusOr<std::string> Get(const std::string& key);
  absl::StatusOr<engine::Row> Decode(std::string_view key, std::string_view value,
                                     std::optional<Body>* body = nullptr);
  // An unfinished task's row, or a run's, with its payloads. Absent: it is damaged, a failure.
  std::optional<engine::TaskRow> DecodeTask(std::string_view key, std::string_view value);
  // That of a task in `row`, its own or its run's, as a row of its own.
  std::optional<engine::TaskRow> TaskIn(TaskId row, TaskId task);
  std::optional<engine::DeadTaskRow> DeadTask(TaskId task, bool with_payload);
  // False: there is no payload, a failure.
  bool TakePayload(std::optional<Body> body, engine::TaskRow& task);
  std::optional<engine::DeadLetterRow> DeadLetter(std::string_view queue, uint64_t number);
  absl::Status Fail(absl::Status status);
  // Of this one of them, with no more of the body than is its own.
  absl::StatusOr<engine::FinishedRow> OutcomeOf(TaskId task, engine::FinishedRow outcomes,
                                                std::optional<Body> body);

  store::Store& store_;
  RowDecoder decoder_;
  int64_t bytes_read_ = 0;
  absl::Status failure_;
};

}  // namespace treadle::broker
