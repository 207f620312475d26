#include "server/broker/stored_tasks.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/broker/body.h"
#include "server/broker/row_key.h"

namespace treadle::broker {
namespace {

constexpr int kListRowsMax = 10'000;

BodyPtr Share(std::optional<Body> body) {
  return body.has_value() ? std::make_shared<const Body>(std::move(*body)) : EmptyBody();
}

}  // namespace

absl::StatusOr<BodyPtr> StoredTasks::Payload(TaskId task) {
  const std::string key = TaskRowKey(task);
  absl::StatusOr<std::string> value = store_.Get(key);
  if (absl::IsNotFound(value.status())) {
    return absl::DataLossError(
        absl::StrCat("task ", task.ToString(), " is unfinished, but the store has no row of it"));
  }
  if (!value.ok()) return value.status();
  std::optional<Body> body;
  const absl::StatusOr<engine::Row> row = decoder_.Decode(key, *value, &body);
  if (!row.ok()) return row.status();
  return Share(std::move(body));
}

absl::StatusOr<OutcomeReady> StoredTasks::Finished(TaskId task) {
  const std::string key = TaskRowKey(task);
  absl::StatusOr<std::string> value = store_.Get(key);
  if (!value.ok() && !absl::IsNotFound(value.status())) return value.status();
  if (!value.ok() || !IsFinishedRow(key, *value)) {
    return absl::NotFoundError(absl::StrCat(
        "task ", task.ToString(),
        " is not known: check the id; outcomes are dropped when their result_ttl_ms is over"));
  }
  std::optional<Body> body;
  absl::StatusOr<engine::Row> row = decoder_.Decode(key, *value, &body);
  if (!row.ok()) return row.status();
  auto& finished = std::get<engine::FinishedRow>(*row);
  const bool succeeded = finished.state == engine::TaskState::kSucceeded;
  return OutcomeReady{.row = std::make_shared<const engine::FinishedRow>(std::move(finished)),
                      .result = succeeded ? Share(std::move(body)) : nullptr};
}

absl::StatusOr<std::optional<engine::KeyRow>> StoredTasks::RequestKey(std::string_view queue,
                                                                      std::string_view key,
                                                                      int64_t now_ms) {
  const std::string row_key = RequestKeyRowKey(queue, key);
  absl::StatusOr<std::string> value = store_.Get(row_key);
  if (absl::IsNotFound(value.status())) return std::nullopt;
  if (!value.ok()) return value.status();
  absl::StatusOr<engine::Row> row = decoder_.Decode(row_key, *value);
  if (!row.ok()) return row.status();
  auto& known = std::get<engine::KeyRow>(*row);
  if (known.expires_at_ms <= now_ms) return std::nullopt;
  return std::move(known);
}

std::vector<engine::FinishedRow> StoredTasks::ListFinished(
    size_t limit, TaskId& after, bool& done,
    absl::FunctionRef<bool(const engine::FinishedRow&)> accept) {
  std::vector<engine::FinishedRow> rows;
  const KeyRange range = TaskRowsAfter(after);
  int looked_at = 0;
  done = true;
  const absl::Status status =
      store_.Scan(range.begin, range.end, [&](std::string_view key, std::string_view value) {
        if (rows.size() == limit || looked_at == kListRowsMax) {
          done = false;
          return false;
        }
        ++looked_at;
        after = TaskOfKey(key).value_or(after);
        if (!IsFinishedRow(key, value)) return true;
        absl::StatusOr<engine::Row> row = decoder_.Decode(key, value);
        if (!row.ok()) return true;  // a list shows what can be read; asking for the task says more
        auto& finished = std::get<engine::FinishedRow>(*row);
        if (accept(finished)) rows.push_back(std::move(finished));
        return true;
      });
  if (!status.ok()) rows.clear();
  return rows;
}

}  // namespace treadle::broker
