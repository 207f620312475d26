#include "server/rpc/task_search.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace treadle::rpc {
namespace {

using engine::TaskState;
using search::Condition;
using search::Field;
using search::FieldSet;
using search::Filter;
using search::Record;
using search::SetOf;

constexpr uint32_t Bit(TaskState state) { return 1u << static_cast<int>(state); }
constexpr uint32_t kUnfinished =
    Bit(TaskState::kScheduled) | Bit(TaskState::kQueued) | Bit(TaskState::kRunning);
constexpr uint32_t kFinished = Bit(TaskState::kSucceeded) | Bit(TaskState::kFailed) |
                               Bit(TaskState::kCancelled) | Bit(TaskState::kExpired);

// The states in which a task may have what the condition asks for.
uint32_t StatesFor(const Condition& condition) {
  if (condition.negated) return kUnfinished | kFinished;
  switch (condition.field) {
    case Field::kFinished:
      return kFinished;
    case Field::kDue:
      return Bit(TaskState::kScheduled);
    case Field::kDead:
      return condition.values.front().text == "yes" && condition.values.size() == 1
                 ? Bit(TaskState::kFailed)
                 : kUnfinished | kFinished;
    default:
      return kUnfinished | kFinished;
  }
}

uint32_t StatesOf(const Filter& filter) {
  uint32_t states = 0;
  for (int state = v1::TASK_STATE_SCHEDULED; state <= v1::TASK_STATE_EXPIRED; ++state) {
    Record record;
    record.text(Field::kState) = engine::StateWord(static_cast<TaskState>(state));
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

absl::StatusOr<Filter> ReadFilter(const std::string& path, const std::string& text) {
  absl::StatusOr<Filter> filter = search::Parse(text);
  if (filter.ok()) return filter;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", filter.status().message()));
}

}  // namespace

absl::StatusOr<TaskSearch> TaskSearch::Read(const v1::ListTasksRequest& request) {
  absl::StatusOr<Filter> filter = ReadFilter("filter", request.filter());
  if (!filter.ok()) return filter.status();
  const bool include_finished = request.include_finished() || filter->names_states();
  if (!request.queue().empty()) Require(Field::kQueue, {{.text = request.queue()}}, *filter);
  if (!request.type().empty()) Require(Field::kType, {{.text = request.type()}}, *filter);
  if (!request.states().empty()) {
    std::vector<search::Value> states;
    for (const int state : request.states()) {
      states.push_back({.text = std::string(engine::StateWord(static_cast<TaskState>(state)))});
    }
    Require(Field::kState, std::move(states), *filter);
  }
  return TaskSearch(*std::move(filter), include_finished);
}

absl::StatusOr<TaskSearch> TaskSearch::ReadUnordered(const std::string& path,
                                                     const std::string& text) {
  absl::StatusOr<Filter> filter = ReadFilter(path, text);
  if (!filter.ok()) return filter.status();
  if (filter->order != search::Order::kAny) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": only lists of tasks have a choice of the order: leave the word sort out"));
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

bool TaskSearch::Takes(const engine::TaskRecord& task) const {
  FieldSet fields = search::kAllFields & ~SetOf(Field::kHeader);
  if (AsksWhetherDead(task)) fields &= ~SetOf(Field::kDead);
  return (states_ & Bit(task.state())) != 0 && search::Matches(filter_, task.fields(), fields);
}

bool TaskSearch::AsksHeaders() const { return (filter_.fields() & SetOf(Field::kHeader)) != 0; }

bool TaskSearch::AsksWhetherDead(const engine::TaskRecord& task) const {
  return (filter_.fields() & SetOf(Field::kDead)) != 0 && task.fields().text(Field::kDead).empty();
}

bool TaskSearch::TakesStored(const Record::Headers* headers, bool dead) const {
  Record record;
  record.text(Field::kDead) = dead ? "yes" : "no";
  record.headers = headers;
  return search::Matches(filter_, record, SetOf(Field::kDead) | SetOf(Field::kHeader));
}

}  // namespace treadle::rpc
