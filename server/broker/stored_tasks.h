#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "proto/support/task_id.h"
#include "server/broker/delivery.h"
#include "server/broker/row_codec.h"
#include "server/engine/row.h"
#include "server/store/store.h"

namespace treadle::broker {

// What the broker reads back from the store while it runs. Errors but NOT_FOUND mean that the store
// is damaged: stop. One thread.
class StoredTasks {
 public:
  explicit StoredTasks(store::Store& store) : store_(store) {}

  // An unfinished task's payload, never null. DATA_LOSS: it is not there.
  absl::StatusOr<BodyPtr> Payload(TaskId task);
  // NOT_FOUND: there is no such outcome (any more).
  absl::StatusOr<OutcomeReady> Finished(TaskId task);
  // What the store knows of a request key; absent: nothing, or its window is over.
  absl::StatusOr<std::optional<engine::KeyRow>> RequestKey(std::string_view queue,
                                                           std::string_view key, int64_t now_ms);
  // See View::ListFinished.
  absl::StatusOr<FinishedPage> ListFinished(
      size_t limit, TaskId from, absl::FunctionRef<bool(const engine::FinishedRow&)> accept);

 private:
  store::Store& store_;
  RowDecoder decoder_;
};

}  // namespace treadle::broker
