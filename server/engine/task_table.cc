#include "server/engine/task_table.h"

#include <iterator>
#include <utility>

#include "proto/support/assert.h"

namespace treadle::engine {

void Task::TakeSpec(const TaskSpec& spec) {
  run_at_is_date = spec.run_at_ms != 0;
  run_at_ms = spec.run_at_ms;
  if (!run_at_is_date && spec.delay_ms > 0) run_at_ms = submitted_at_ms + spec.delay_ms;
  deadline_is_date = spec.deadline_at_ms != 0;
  deadline_at_ms = spec.deadline_at_ms;
  if (!deadline_is_date && spec.deadline_in_ms > 0) {
    deadline_at_ms = submitted_at_ms + spec.deadline_in_ms;
  }
  attempt_timeout_ms = spec.attempt_timeout_ms;
  result_ttl_ms = spec.result_ttl_ms;
  payload_bytes = spec.payload_bytes;
  retry = spec.retry;
  priority = spec.priority;
  max_attempts = spec.max_attempts;
  durability = spec.durability;
  if (spec.request_key.empty()) return;
  Extras().request_key = spec.request_key;
  extras->digest = spec.digest;
}

std::unique_ptr<Task> Task::SplitAfter(uint32_t keep) {
  TREADLE_ASSERT(keep > 0 && keep < count && extras == nullptr && !watched && !has_attempt_row);
  const uint32_t index = run->IndexOf(id);
  auto rest = std::make_unique<Task>();
  rest->id = TaskId{id.session, id.sequence + keep};
  rest->count = count - keep;
  rest->line = line;
  rest->order = order + keep;
  rest->run = run;
  rest->submitted_at_ms = submitted_at_ms;
  rest->run_at_ms = run_at_ms;
  rest->deadline_at_ms = deadline_at_ms;
  rest->waits_since_ms = waits_since_ms;
  rest->attempt_timeout_ms = attempt_timeout_ms;
  rest->result_ttl_ms = result_ttl_ms;
  rest->payload_bytes = run->sizes.Bytes(index + keep, index + count);
  rest->retry = retry;
  rest->priority = priority;
  rest->max_attempts = max_attempts;
  rest->state = state;
  rest->durability = durability;
  rest->run_at_is_date = run_at_is_date;
  rest->deadline_is_date = deadline_is_date;
  payload_bytes -= rest->payload_bytes;
  count = keep;
  return rest;
}

std::vector<uint32_t> Task::PayloadSizesOfEach() const {
  std::vector<uint32_t> sizes(count);
  const uint32_t index = run->IndexOf(id);
  for (uint32_t i = 0; i < count; ++i) {
    sizes[i] = static_cast<uint32_t>(run->sizes.Bytes(index + i, index + i + 1));
  }
  return sizes;
}

Task* TaskTable::Find(TaskId id) const {
  if (const std::unique_ptr<Task>* const found = by_id_.Find(id)) return found->get();
  return long_.empty() ? nullptr : FindLong(id);
}

Task* TaskTable::FindLong(TaskId id) const {
  const auto after = long_.upper_bound(id);
  if (after == long_.begin()) return nullptr;
  Task* const task = std::prev(after)->second;
  return task->Holds(id) ? task : nullptr;
}

bool TaskTable::Add(std::unique_ptr<Task> owned) {
  Task& task = *owned;
  TREADLE_ASSERT(by_id_.Find(task.id) == nullptr);
  const size_t before = in_order_.size();
  in_order_.emplace_hint(in_order_.end(), task.order, &task);
  if (in_order_.size() == before) return false;
  if (task.count > 1) long_.emplace(task.id, &task);
  size_ += task.count;
  by_id_.Insert(task.id, std::move(owned));
  return true;
}

Task& TaskTable::SplitAfter(Task& task, uint32_t keep) {
  size_ -= task.count - keep;
  std::unique_ptr<Task> rest = task.SplitAfter(keep);
  if (task.count == 1) long_.erase(task.id);
  Task& split = *rest;
  Add(std::move(rest));
  return split;
}

void TaskTable::Finish(Task& task) {
  finished_.push_back(task.range());
  Drop(task);
}

void TaskTable::Drop(Task& task) {
  size_ -= task.count;
  if (task.count > 1) long_.erase(task.id);
  in_order_.erase(task.order);
  by_id_.Remove(task.id);
}

TaskTable::InOrder::const_iterator TaskTable::From(uint64_t order) const {
  const auto at = in_order_.lower_bound(order);
  if (at == in_order_.begin()) return at;
  const auto before = std::prev(at);
  return before->first + before->second->count > order ? before : at;
}

bool TaskTable::FinishedThisTurn(TaskId id) {
  for (; finished_indexed_ < finished_.size(); ++finished_indexed_) {
    const TaskRange& range = finished_[finished_indexed_];
    for (uint32_t i = 0; i < range.count; ++i) finished_set_.insert(range.At(i));
  }
  return finished_set_.contains(id);
}

void TaskTable::EndTurn() {
  finished_.clear();
  if (finished_indexed_ == 0) return;
  finished_set_.clear();
  finished_indexed_ = 0;
}

void TaskTable::CheckInvariants() const {
  size_t tasks = 0;
  size_t entries = 0;
  size_t several = 0;
  uint64_t next_order = 0;
  for (const auto& [order, task] : in_order_) {
    TREADLE_ASSERT(task->order == order && order >= next_order && task->count > 0);
    next_order = order + task->count;
    tasks += task->count;
    ++entries;
    if (task->count > 1) ++several;
    for (uint32_t i = 0; i < task->count; ++i) {
      TREADLE_ASSERT(Find(TaskId{task->id.session, task->id.sequence + i}) == task);
    }
  }
  TREADLE_ASSERT(tasks == size_ && entries == by_id_.size() && several == long_.size());
}

}  // namespace treadle::engine
