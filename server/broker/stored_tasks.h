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
#include "server/engine/row.h"
#include "server/store/store.h"

namespace treadle::broker {

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
  // Up to `limit` (at least 1) finished tasks by id, from `from` on. Looks at no more than 10,000
  // rows, those that have expired and were not dropped yet among them. `accept` is asked once of a
  // row, also of one of several tasks, which differ in their ids and sizes alone.
  absl::StatusOr<FinishedPage> ListFinished(
      size_t limit, TaskId from, absl::FunctionRef<bool(const engine::FinishedRow&)> accept);

  // Of the values that were read.
  int64_t bytes_read() const { return bytes_read_; }
  // The first error since the last time: the store is damaged or has failed, stop.
  absl::Status TakeFailure() { return std::exchange(failure_, absl::OkStatus()); }

 private:
  // OK or NOT_FOUND; anything else is a failure, too.
  absl::StatusOr<std::string> Get(const std::string& key);
  absl::StatusOr<engine::Row> Decode(std::string_view key, std::string_view value,
                                     std::optional<Body>* body = nullptr);
  // An unfinished task's row, or a run's, with its payloads. Absent: it is damaged, a failure.
  std::optional<engine::TaskRow> DecodeTask(TaskId row, std::string_view key,
                                            std::string_view value);
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
