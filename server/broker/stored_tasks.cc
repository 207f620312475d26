#include "server/broker/stored_tasks.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/broker/body.h"
#include "server/broker/row_key.h"

namespace treadle::broker {
namespace {

constexpr size_t kListRowsMax = 10'000;

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
  const std::string key = FinishedRowKey(task);
  absl::StatusOr<std::string> value = store_.Get(key);
  if (!value.ok() && !absl::IsNotFound(value.status())) return value.status();
  if (!value.ok()) {
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

absl::StatusOr<FinishedPage> StoredTasks::ListFinished(
    size_t limit, TaskId from, absl::FunctionRef<bool(const engine::FinishedRow&)> accept) {
  FinishedPage page;
  const KeyRange range = FinishedRowsFrom(from);
  const absl::StatusOr<std::optional<std::string>> next = store_.Scan(
      range.begin, range.end, kListRowsMax, [&](std::string_view key, std::string_view value) {
        absl::StatusOr<engine::Row> row = decoder_.Decode(key, value);
        if (!row.ok()) return true;  // a list shows what can be read; asking for the task says more
        auto& finished = std::get<engine::FinishedRow>(*row);
        if (accept(finished)) page.rows.push_back(std::move(finished));
        return page.rows.size() < limit;
      });
  if (!next.ok()) return next.status();
  if (next->has_value()) page.next = TaskOfKey(**next);
  return page;
}

}  // namespace treadle::broker
