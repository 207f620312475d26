#include "server/broker/stored_tasks.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/search/filter.h"
#include "proto/search/match.h"
#include "proto/support/limits.h"
#include "server/broker/body.h"
#include "server/broker/outcome.h"
#include "server/broker/row_key.h"
#include "server/engine/payload_sizes.h"
#include "server/engine/refusals.h"
#include "server/engine/task_record.h"

namespace treadle::broker {
namespace {

constexpr size_t kListRowsMax = 10'000;
constexpr int64_t kListBytesMax = int64_t{4} << 20;
// Payloads for workers are read on the same thread, and wait meanwhile.
constexpr size_t kJobRowsMax = 2'000;
// Dead letters of which a job may want few, and that have to be read for it.
constexpr size_t kHeadersAtOnce = 250;
constexpr int64_t kLookBytesMax = int64_t{16} << 20;
constexpr std::chrono::milliseconds kLookTime(100);

// One of a run's.
engine::TaskRow OneOf(engine::TaskRow run, TaskId task) {
  if (run.payload_sizes.empty()) return run;
  const engine::PayloadSizes sizes(std::exchange(run.payload_sizes, {}));
  const auto index = static_cast<uint32_t>(task.sequence - run.id.sequence);
  run.id = task;
  run.order += index;
  run.payload.begin += sizes.BeginOf(index);
  run.payload.bytes = run.spec.payload_bytes = sizes.Bytes(index, index + 1);
  return run;
}

bool Matches(const engine::LetterMatch& match, const engine::DeadLetterRow& letter) {
  return (match.type.empty() || *letter.type == match.type) &&
         (!match.group.has_value() || letter.group == *match.group);
}

constexpr search::FieldSet kHeaders = search::SetOf(search::Field::kHeader);

// Null: they are lost.
bool TakesHeaders(const search::Filter& filter, const BodyPart* payload) {
  search::Record record;
  if (payload != nullptr) record.headers = &payload->body->headers;
  return search::Matches(filter, record, kHeaders);
}

// Every payload and every result is stored, also one without a byte.
absl::Status Lost(TaskId task, const char* what) {
  return absl::DataLossError(
      absl::StrCat("task ", task.ToString(), " has lost its ", what,
                   ": the store is damaged: restore the data directory from a backup"));
}

}  // namespace

absl::Status StoredTasks::Fail(absl::Status status) {
  if (failure_.ok()) failure_ = status;
  return status;
}

absl::StatusOr<std::string> StoredTasks::Get(const std::string& key) {
  absl::StatusOr<std::string> value = store_.Get(key);
  if (value.ok()) {
    bytes_read_ += static_cast<int64_t>(value->size());
  } else if (!absl::IsNotFound(value.status())) {
    return Fail(value.status());
  }
  return value;
}

absl::StatusOr<engine::Row> StoredTasks::Decode(std::string_view key, std::string_view value,
                                                std::optional<Body>* body) {
  absl::StatusOr<engine::Row> row = decoder_.Decode(key, value, body);
  if (!row.ok()) return Fail(row.status());
  return row;
}

std::vector<BodyPtr> StoredTasks::Payloads(absl::Span<const TaskId> rows) {
  // In the store's order: the next row is beside the last one.
  std::vector<TaskId> ids(rows.begin(), rows.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::vector<std::string> keys;
  keys.reserve(ids.size());
  for (const TaskId id : ids) keys.push_back(TaskRowKey(id));
  std::vector<BodyPtr> read(ids.size());
  const absl::Status status =
      store_.GetMany(keys, [&](size_t at, std::optional<std::string_view> value) {
        if (!value.has_value()) return true;
        bytes_read_ += static_cast<int64_t>(value->size());
        std::optional<engine::TaskRow> row = DecodeTask(keys[at], *value);
        if (row.has_value()) read[at] = std::move(row->payload.body);
        return row.has_value();
      });
  if (!status.ok()) Fail(status).IgnoreError();
  std::vector<BodyPtr> bodies;
  bodies.reserve(rows.size());
  for (const TaskId row : rows) {
    const auto at = std::lower_bound(ids.begin(), ids.end(), row) - ids.begin();
    bodies.push_back(read[static_cast<size_t>(at)]);
  }
  return bodies;
}

std::optional<engine::TaskRow> StoredTasks::Unfinished(TaskId row) {
  const std::string key = TaskRowKey(row);
  const absl::StatusOr<std::string> value = Get(key);
  return value.ok() ? DecodeTask(key, *value) : std::nullopt;
}

std::optional<engine::TaskRow> StoredTasks::DecodeTask(std::string_view key,
                                                       std::string_view value) {
  std::optional<Body> body;
  absl::StatusOr<engine::Row> decoded = Decode(key, value, &body);
  if (!decoded.ok()) return std::nullopt;
  auto& task = std::get<engine::TaskRow>(*decoded);
  if (!TakePayload(std::move(body), task)) return std::nullopt;
  return std::move(task);
}

bool StoredTasks::TakePayload(std::optional<Body> body, engine::TaskRow& task) {
  if (!body.has_value()) {
    Fail(Lost(task.id, "payload")).IgnoreError();
    return false;
  }
  task.payload = AllOf(std::make_shared<const Body>(*std::move(body)));
  return true;
}

std::optional<engine::TaskRow> StoredTasks::TaskIn(TaskId row, TaskId task) {
  std::optional<engine::TaskRow> found = Unfinished(row);
  if (!found.has_value() || !engine::TaskRange{row, found->tasks()}.Contains(task)) {
    return std::nullopt;
  }
  return OneOf(*std::move(found), task);
}

std::optional<BodyPart> StoredTasks::Payload(TaskId task, TaskId row) {
  std::optional<engine::TaskRow> found = TaskIn(row, task);
  return found.has_value() ? std::optional(std::move(found->payload)) : std::nullopt;
}

absl::StatusOr<OutcomeReady> StoredTasks::Finished(TaskId task) {
  absl::StatusOr<engine::FinishedRow> found = absl::NotFoundError(absl::StrCat(
      "task ", task.ToString(),
      " is not known: check the id; outcomes are dropped when their result_ttl_ms is over"));
  const KeyRange range = FinishedRowsFrom(task);
  const auto next = store_.Scan(
      range.begin, range.end, /*rows_max=*/1, [&](std::string_view key, std::string_view value) {
        bytes_read_ += static_cast<int64_t>(value.size());
        std::optional<Body> body;
        absl::StatusOr<engine::Row> row = Decode(key, value, &body);
        if (!row.ok()) {
          found = row.status();
          return false;
        }
        auto& outcomes = std::get<engine::FinishedRow>(*row);
        if (engine::TaskRange{outcomes.id, outcomes.tasks}.Contains(task)) {
          found = OutcomeOf(task, std::move(outcomes), std::move(body));
        }
        return false;
      });
  if (!next.ok()) return Fail(next.status());
  if (!found.ok()) return found.status();
  return OutcomeReady{.row = std::make_shared<const engine::FinishedRow>(*std::move(found))};
}

absl::StatusOr<engine::FinishedRow> StoredTasks::OutcomeOf(TaskId task,
                                                           engine::FinishedRow outcomes,
                                                           std::optional<Body> body) {
  const auto index = static_cast<uint32_t>(task.sequence - outcomes.id.sequence);
  if (!body.has_value()) {
    if (outcomes.state == engine::TaskState::kSucceeded) return Fail(Lost(task, "result"));
    return outcomes;
  }
  const bool several = outcomes.tasks > 1;
  outcomes.body = AllOf(std::make_shared<const Body>(*std::move(body)));
  engine::FinishedRow one = OneOf(outcomes, index);
  if (several) {  // nothing is held of the others'
    const Body& all = *outcomes.body.body;
    one.body = AllOf(std::make_shared<const Body>(
        Body{std::string(BytesIn(one.body)), all.content_type, all.headers}));
  }
  return one;
}

std::optional<engine::KeyRow> StoredTasks::RequestKey(std::string_view queue,
                                                      std::string_view key) {
  const std::string row_key = RequestKeyRowKey(queue, key);
  const absl::StatusOr<std::string> value = Get(row_key);
  if (!value.ok()) return std::nullopt;
  absl::StatusOr<engine::Row> row = Decode(row_key, *value);
  if (!row.ok()) return std::nullopt;
  return std::move(std::get<engine::KeyRow>(*row));
}

absl::StatusOr<FinishedLookedAt> StoredTasks::LookThroughFinished(FinishedPlace from,
                                                                  bool descending, FitsRow fits,
                                                                  VisitFinished visit) {
  using Clock = std::chrono::steady_clock;
  FinishedLookedAt looked_at;
  const int64_t bytes_before = bytes_read_;
  const Clock::time_point until = Clock::now() + kLookTime;
  const auto stop_at = [&looked_at](TaskId row, uint32_t skip) {
    looked_at.next = FinishedPlace{row, skip};
    return false;
  };
  const auto visit_row = [&](std::string_view key, std::string_view value) {
    const std::optional<TaskId> last = TaskOfKey(key);
    if (!last.has_value()) return true;
    // After the first row.
    if (bytes_read_ > bytes_before &&
        (bytes_read_ - bytes_before > kLookBytesMax || Clock::now() >= until)) {
      return stop_at(*last, *last == from.row ? from.skip : 0);
    }
    bytes_read_ += static_cast<int64_t>(value.size());
    absl::StatusOr<engine::Row> decoded = decoder_.Decode(key, value);
    // A list shows what can be read; asking for the task says more.
    if (!decoded.ok()) return true;
    const auto& row = std::get<engine::FinishedRow>(*decoded);
    const uint32_t skip = *last == from.row ? std::min(from.skip, row.tasks) : 0;
    if (!fits(row)) {
      looked_at.searched += row.tasks - skip;
      return true;
    }
    for (uint32_t i = skip; i < row.tasks; ++i) {
      if (!visit(row, descending ? row.tasks - 1 - i : i)) return stop_at(*last, i);
      ++looked_at.searched;
    }
    return true;
  };
  const KeyRange range = descending ? FinishedRowsUpTo(from.row) : FinishedRowsFrom(from.row);
  const absl::StatusOr<std::optional<std::string>> next =
      descending ? store_.ScanBack(range.begin, range.end, kListRowsMax, visit_row)
                 : store_.Scan(range.begin, range.end, kListRowsMax, visit_row);
  if (!next.ok()) return Fail(next.status());
  if (looked_at.next.has_value() || !next->has_value()) return looked_at;
  if (std::optional<TaskId> row = TaskOfKey(**next)) {
    // Backwards it is the last row that was looked at. No task's sequence is 0.
    if (descending) --row->sequence;
    looked_at.next = FinishedPlace{*row};
  }
  return looked_at;
}

absl::StatusOr<DeadLetterPage> StoredTasks::ListDeadLetters(
    const DeadLetterRange& range, absl::FunctionRef<bool(const engine::DeadLetterRow&)> accept) {
  DeadLetterPage page;
  int64_t bytes = 0;
  const KeyRange keys = DeadLettersBetween(range.queue, range.from, range.before);
  const absl::StatusOr<std::optional<std::string>> next = store_.Scan(
      keys.begin, keys.end, range.rows_max, [&](std::string_view key, std::string_view value) {
        absl::StatusOr<engine::Row> row = decoder_.Decode(key, value);
        if (!row.ok()) return true;  // as in LookThroughFinished
        auto& letter = std::get<engine::DeadLetterRow>(*row);
        if (page.rows.size() == range.limit || bytes >= kListBytesMax) {
          page.next = letter.number;
          return false;
        }
        bytes += static_cast<int64_t>(value.size());
        ++page.searched;
        if (Matches(range.match, letter) && accept(letter)) page.rows.push_back(std::move(letter));
        return true;
      });
  bytes_read_ += bytes;
  if (!next.ok()) return Fail(next.status());
  if (!page.next.has_value() && next->has_value()) {
    if (const auto letter = QueueNumberOfKey(**next)) page.next = letter->number;
  }
  return page;
}

absl::StatusOr<ActionPage> StoredTasks::ListActions(
    uint64_t before, size_t limit, absl::FunctionRef<bool(const engine::ActionRow&)> accept) {
  ActionPage page;
  int64_t page_bytes = 0;
  const KeyRange keys = ActionsBelow(before);
  const absl::StatusOr<std::optional<std::string>> rest = store_.ScanBack(
      keys.begin, keys.end, kListRowsMax, [&](std::string_view key, std::string_view value) {
        bytes_read_ += static_cast<int64_t>(value.size());
        absl::StatusOr<engine::Row> row = decoder_.Decode(key, value);
        if (!row.ok()) return true;  // as in LookThroughFinished
        auto& action = std::get<engine::ActionRow>(*row);
        if (!accept(action)) return true;
        if (page.rows.size() == limit || page_bytes >= limits::kOutgoingMessageBytes) {
          page.before = action.number + 1;
          return false;
        }
        page_bytes += static_cast<int64_t>(value.size());
        page.rows.push_back(std::move(action));
        return true;
      });
  if (!rest.ok()) return Fail(rest.status());
  if (!page.before.has_value() && rest->has_value()) page.before = NumberOfKey(**rest);
  return page;
}

std::optional<engine::DeadTaskRow> StoredTasks::DeadTask(TaskId task, bool with_payload) {
  const std::string key = DeadTaskRowKey(task);
  const absl::StatusOr<std::string> value = Get(key);
  if (!value.ok()) return std::nullopt;
  std::optional<Body> body;
  absl::StatusOr<engine::Row> row = Decode(key, *value, with_payload ? &body : nullptr);
  if (!row.ok()) return std::nullopt;
  auto& dead = std::get<engine::DeadTaskRow>(*row);
  if (with_payload && !TakePayload(std::move(body), dead.task)) return std::nullopt;
  return std::move(dead);
}

std::optional<engine::DeadLetterRow> StoredTasks::DeadLetter(std::string_view queue,
                                                             uint64_t number) {
  const std::string key = DeadLetterRowKey(queue, number);
  const absl::StatusOr<std::string> value = Get(key);
  if (!value.ok()) return std::nullopt;
  absl::StatusOr<engine::Row> row = Decode(key, *value);
  if (!row.ok()) return std::nullopt;
  return std::move(std::get<engine::DeadLetterRow>(*row));
}

absl::StatusOr<StoredLetter> StoredTasks::FindDeadLetter(
    TaskId task, const std::optional<engine::MovingLetter>& moving, bool with_task) {
  std::optional<engine::DeadLetterRow> letter;
  std::optional<engine::TaskRow> row;
  if (moving.has_value()) {
    letter = DeadLetter(*moving->queue, moving->number);
    if (with_task) row = TaskIn(moving->row, task);
  }
  // Else, or if it has been moved since that was said.
  if (!letter.has_value() || (with_task && !row.has_value())) {
    if (std::optional<engine::DeadTaskRow> dead = DeadTask(task, with_task)) {
      letter = DeadLetter(dead->task.spec.queue, dead->letter);
      if (with_task) row = std::move(dead->task);
    }
  }
  if (letter.has_value()) return StoredLetter{*std::move(letter), std::move(row)};
  return engine::refusal::NoDeadLetter(task);
}

bool StoredTasks::IsDeadLetter(TaskId task) {
  return Get(LetterMoveRowKey(task)).ok() || Get(DeadTaskRowKey(task)).ok();
}

std::optional<BodyPart> StoredTasks::DeadPayload(TaskId task) {
  const std::string key = LetterMoveRowKey(task);
  if (const absl::StatusOr<std::string> value = Get(key); value.ok()) {
    absl::StatusOr<engine::Row> row = Decode(key, *value);
    if (!row.ok()) return std::nullopt;
    const TaskId its_row = std::get<engine::LetterMoveRow>(*row).row;
    if (std::optional<BodyPart> payload = Payload(task, its_row)) return payload;
  }
  // Else, or if it has been moved since.
  std::optional<engine::DeadTaskRow> dead = DeadTask(task, /*with_payload=*/true);
  return dead.has_value() ? std::optional(std::move(dead->task.payload)) : std::nullopt;
}

engine::LettersFound StoredTasks::ReadLetters(const engine::LettersWanted& wanted) {
  engine::LettersFound found;
  found.reading = wanted.reading;
  const int64_t before = bytes_read_;
  for (const engine::LettersWanted::Wanted& one : wanted.wanted) {
    if (bytes_read_ - before >= kListBytesMax) break;
    ++found.looked_at;
    absl::StatusOr<StoredLetter> letter = FindDeadLetter(one.task, one.moving, wanted.with_tasks);
    if (!letter.ok()) continue;
    found.letters.push_back({std::move(letter->letter), std::move(letter->task)});
  }
  return found;
}

// The payloads make the bytes: what does not fit any more is read by the next step. They are read
// to be submitted again, or for the headers that are with them: then many may be read to find few.
absl::StatusOr<engine::JobLettersFound> StoredTasks::ReadLetters(
    const engine::JobLettersWanted& wanted) {
  const int64_t before = bytes_read_;
  const search::Filter* const filter = wanted.filter.get();
  const bool by_headers = filter != nullptr && (filter->fields() & kHeaders) != 0;
  absl::StatusOr<DeadLetterPage> page = ListDeadLetters(
      {.queue = wanted.queue,
       .from = wanted.from,
       .before = wanted.before,
       .limit = by_headers ? std::max(wanted.limit, kHeadersAtOnce) : wanted.limit,
       .rows_max = kJobRowsMax,
       .match = wanted.match},
      [&](const engine::DeadLetterRow& letter) {
        return filter == nullptr ||
               search::Matches(*filter, engine::TaskRecord(letter, wanted.ages_from_ms).fields(),
                               search::kAllFields & ~kHeaders);
      });
  if (!page.ok()) return page.status();
  engine::JobLettersFound found{.job = wanted.job,
                                .reading = wanted.reading,
                                .looked_at = page->searched,
                                .letters = {},
                                .next = page->next};
  int64_t looked_at = 0;
  for (engine::DeadLetterRow& letter : page->rows) {
    const bool much = bytes_read_ - before >= kListBytesMax && looked_at > 0;
    if (much || found.letters.size() == wanted.limit) {
      found.next = letter.number;
      found.looked_at = looked_at;
      break;
    }
    ++looked_at;
    std::optional<engine::TaskRow> task;
    if (wanted.with_tasks || by_headers) {
      if (auto dead = DeadTask(letter.id, /*with_payload=*/true)) task = std::move(dead->task);
    }
    if (by_headers && !TakesHeaders(*filter, task.has_value() ? &task->payload : nullptr)) continue;
    if (!wanted.with_tasks) task.reset();
    found.letters.push_back({std::move(letter), std::move(task)});
  }
  return found;
}

engine::JobTasksFound StoredTasks::ReadHeaders(const engine::JobTasksWanted& wanted) {
  engine::JobTasksFound found{.job = wanted.job, .tasks = {}};
  std::optional<TaskId> row;  // that was read last: the tasks of a run have their headers in common
  bool takes = false;
  for (const engine::JobTasksWanted::Candidate& candidate : wanted.candidates) {
    if (row != candidate.row) {
      row = candidate.row;
      const std::optional<BodyPart> payload = Payload(candidate.task, candidate.row);
      takes = payload.has_value() && TakesHeaders(*wanted.filter, &*payload);
    }
    if (takes) found.tasks.push_back(candidate.task);
  }
  return found;
}

std::vector<engine::TaskRow> StoredTasks::TasksToMove(
    absl::Span<const engine::LetterMovesDue::Move> moves) {
  std::vector<engine::TaskRow> tasks;
  std::optional<engine::TaskRow> row;  // the last one read: a run's tasks follow one another
  for (const engine::LetterMovesDue::Move& move : moves) {
    if (!row.has_value() || row->id != move.row) row = Unfinished(move.row);
    if (!row.has_value() || !engine::TaskRange{row->id, row->tasks()}.Contains(move.task)) continue;
    tasks.push_back(OneOf(*row, move.task));
  }
  return tasks;
}

}  // namespace treadle::broker
