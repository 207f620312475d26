#include "server/rpc/task_search.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace treadle::rpc {
namespace {

using search::Condition;
using search::Field;
using search::FieldSet;
using search::Filter;
using search::Record;
using search::SetOf;

// By v1::TaskState.
constexpr std::array<std::string_view, 8> kStateWords = {
    "", "scheduled", "queued", "running", "succeeded", "failed", "cancelled", "expired"};

constexpr uint32_t Bit(v1::TaskState state) { return 1u << static_cast<int>(state); }
constexpr uint32_t kUnfinished =
    Bit(v1::TASK_STATE_SCHEDULED) | Bit(v1::TASK_STATE_QUEUED) | Bit(v1::TASK_STATE_RUNNING);
constexpr uint32_t kFinished = Bit(v1::TASK_STATE_SUCCEEDED) | Bit(v1::TASK_STATE_FAILED) |
                               Bit(v1::TASK_STATE_CANCELLED) | Bit(v1::TASK_STATE_EXPIRED);

// The states in which a task may have what the condition asks for.
uint32_t StatesFor(const Condition& condition) {
  if (condition.negated) return kUnfinished | kFinished;
  switch (condition.field) {
    case Field::kFinished:
      return kFinished;
    case Field::kDue:
      return Bit(v1::TASK_STATE_SCHEDULED);
    case Field::kDead:
      return condition.values.front().text == "yes" && condition.values.size() == 1
                 ? Bit(v1::TASK_STATE_FAILED)
                 : kUnfinished | kFinished;
    default:
      return kUnfinished | kFinished;
  }
}

uint32_t StatesOf(const Filter& filter) {
  uint32_t states = 0;
  for (int state = v1::TASK_STATE_SCHEDULED; state <= v1::TASK_STATE_EXPIRED; ++state) {
    Record record;
    record.text(Field::kState) = kStateWords[static_cast<size_t>(state)];
    if (search::Matches(filter, record, SetOf(Field::kState))) states |= 1u << state;
  }
  for (const Condition& condition : filter.conditions) states &= StatesFor(condition);
  return states;
}

// The one queue that it names whole.
std::string QueueOf(const Filter& filter) {
  for (const Condition& condition : filter.conditions) {
    if (condition.field == Field::kQueue && !condition.negated &&
        condition.op == search::Operator::kEquals && condition.values.size() == 1 &&
        !condition.values.front().prefix) {
      return condition.values.front().text;
    }
  }
  return "";
}

void Require(Field field, std::vector<search::Value> values, Filter& filter) {
  Condition condition{.field = field, .op = search::Operator::kEquals};
  condition.values = std::move(values);
  filter.conditions.push_back(std::move(condition));
}

absl::StatusOr<Filter> ReadFilter(const std::string& text) {
  absl::StatusOr<Filter> filter = search::Parse(text);
  if (filter.ok()) return filter;
  return absl::InvalidArgumentError(absl::StrCat("filter: ", filter.status().message()));
}

}  // namespace

absl::StatusOr<TaskSearch> TaskSearch::Read(const v1::ListTasksRequest& request) {
  absl::StatusOr<Filter> filter = ReadFilter(request.filter());
  if (!filter.ok()) return filter.status();
  const bool include_finished = request.include_finished() || filter->names_states();
  if (!request.queue().empty()) Require(Field::kQueue, {{.text = request.queue()}}, *filter);
  if (!request.type().empty()) Require(Field::kType, {{.text = request.type()}}, *filter);
  if (!request.states().empty()) {
    std::vector<search::Value> states;
    for (const int state : request.states()) {
      states.push_back({.text = std::string(StateWord(static_cast<v1::TaskState>(state)))});
    }
    Require(Field::kState, std::move(states), *filter);
  }
  return TaskSearch(*std::move(filter), include_finished);
}

absl::StatusOr<TaskSearch> TaskSearch::ReadUnordered(const std::string& text) {
  absl::StatusOr<Filter> filter = ReadFilter(text);
  if (!filter.ok()) return filter.status();
  if (filter->order != search::Order::kAny) {
    return absl::InvalidArgumentError(
        "filter: dead letters come in the order that they failed in: leave the word sort out");
  }
  return TaskSearch(*std::move(filter), /*include_finished=*/true);
}

TaskSearch::TaskSearch(Filter filter, bool include_finished)
    : filter_(std::move(filter)), states_(StatesOf(filter_)), queue_(QueueOf(filter_)) {
  if (!include_finished) states_ &= kUnfinished;
}

std::string TaskSearch::Question() const { return absl::StrCat(states_, " ", filter_.ToString()); }

uint32_t TaskSearch::unfinished_states() const { return states_ & kUnfinished; }
uint32_t TaskSearch::finished_states() const { return states_ & kFinished; }

bool TaskSearch::MayBe(const std::string& queue, const std::string& type) const {
  Record record;
  record.text(Field::kQueue) = queue;
  record.text(Field::kType) = type;
  return search::Matches(filter_, record, SetOf(Field::kQueue) | SetOf(Field::kType));
}

bool TaskSearch::Takes(const v1::Task& task, int64_t now_ms) const {
  FieldSet fields = search::kAllFields & ~SetOf(Field::kHeader);
  if (AsksWhetherDead(task)) fields &= ~SetOf(Field::kDead);
  return (states_ & Bit(task.state())) != 0 &&
         search::Matches(filter_, RecordOf(task, now_ms), fields);
}

bool TaskSearch::AsksHeaders() const { return (filter_.fields() & SetOf(Field::kHeader)) != 0; }

bool TaskSearch::AsksWhetherDead(const v1::Task& task) const {
  return (filter_.fields() & SetOf(Field::kDead)) != 0 && !task.dead_letter() &&
         task.state() == v1::TASK_STATE_FAILED;
}

bool TaskSearch::TakesStored(const v1::Task& task, const Record::Headers* headers,
                             bool dead) const {
  Record record;
  record.text(Field::kDead) = dead || task.dead_letter() ? "yes" : "no";
  record.headers = headers;
  return search::Matches(filter_, record, SetOf(Field::kDead) | SetOf(Field::kHeader));
}

Record RecordOf(const v1::Task& task, int64_t now_ms) {
  Record record;
  record.text(Field::kId) = task.task_id();
  record.text(Field::kQueue) = task.queue();
  record.text(Field::kState) = StateWord(task.state());
  record.text(Field::kType) = task.type();
  record.text(Field::kWorker) = task.worker();
  record.text(Field::kError) = task.last_error().message();
  record.text(Field::kErrorType) = task.last_error().type();
  record.text(Field::kKey) = task.request_key();
  record.text(Field::kCancelReason) = task.cancel_reason();
  record.text(Field::kDead) = task.dead_letter() ? "yes" : "no";
  record.number(Field::kPriority) = task.priority();
  record.number(Field::kAttempts) = task.attempts();
  record.number(Field::kMaxAttempts) = task.max_attempts();
  record.number(Field::kSize) = static_cast<int64_t>(task.payload_bytes());
  record.number(Field::kAge) = std::max<int64_t>(0, now_ms - task.submitted_at_ms());
  if (task.state() == v1::TASK_STATE_SCHEDULED) {
    record.number(Field::kDue) = std::max<int64_t>(0, task.run_at_ms() - now_ms);
  }
  const int64_t ended_at_ms = task.finished_at_ms() == 0 ? now_ms : task.finished_at_ms();
  if (task.started_at_ms() != 0) {
    record.number(Field::kRan) = std::max<int64_t>(0, ended_at_ms - task.started_at_ms());
  }
  if (task.finished_at_ms() != 0) {
    record.number(Field::kFinished) = std::max<int64_t>(0, now_ms - task.finished_at_ms());
  }
  return record;
}

std::string_view StateWord(v1::TaskState state) {
  const auto index = static_cast<size_t>(state);
  return index < kStateWords.size() ? kStateWords[index] : "";
}

}  // namespace treadle::rpc
