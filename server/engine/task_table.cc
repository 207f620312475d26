#include "server/engine/task_table.h"

#include <algorithm>
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

Task& TaskTable::Add(std::unique_ptr<Task> owned) {
  Task& task = *owned;
  TREADLE_ASSERT(by_id_.Find(task.id) == nullptr);
  TREADLE_ASSERT(in_order_.empty() || in_order_.back_key() < task.order);
  by_id_.Insert(task.id, std::move(owned));
  in_order_.Add(task, task.order);
  return task;
}

void TaskTable::Finish(Task& task) {
  in_order_.Remove(task);
  finished_.push_back(task.id);
  by_id_.Remove(task.id);
}

bool TaskTable::AddLoaded(std::unique_ptr<Task> owned) {
  Task& task = *owned;
  if (by_id_.Find(task.id) != nullptr) return false;
  loaded_.push_back(&task);
  by_id_.Insert(task.id, std::move(owned));
  return true;
}

bool TaskTable::SortLoaded() {
  std::vector<Task*> loaded = std::exchange(loaded_, {});
  std::sort(loaded.begin(), loaded.end(),
            [](const Task* a, const Task* b) { return a->order < b->order; });
  for (Task* const task : loaded) {
    if (!in_order_.empty() && in_order_.back_key() == task->order) return false;
    in_order_.Add(*task, task->order);
  }
  return true;
}

bool TaskTable::FinishedThisTurn(TaskId id) {
  finished_set_.insert(finished_.begin() + static_cast<ptrdiff_t>(finished_indexed_),
                       finished_.end());
  finished_indexed_ = finished_.size();
  return finished_set_.contains(id);
}

void TaskTable::EndTurn() {
  finished_.clear();
  if (finished_indexed_ == 0) return;
  finished_set_.clear();
  finished_indexed_ = 0;
}

void TaskTable::CheckInvariants() const {
  in_order_.CheckInvariants();
  in_order_.Visit([this](const InOrder::Entry& entry) {
    const Task* const task = entry.item;
    TREADLE_ASSERT(task == nullptr || (task->order == entry.key && Find(task->id) == task));
    return true;
  });
  TREADLE_ASSERT(in_order_.size() == by_id_.size() && loaded_.empty());
}

}  // namespace treadle::engine
