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
  TREADLE_ASSERT(in_order_.empty() || in_order_.back().order < task.order);
  TREADLE_ASSERT(by_id_.Find(task.id) == nullptr);
  by_id_.Insert(task.id, std::move(owned));
  task.order_slot = static_cast<uint32_t>(in_order_.size());
  in_order_.push_back(Place{task.order, &task});
  return task;
}

void TaskTable::Finish(Task& task) {
  in_order_[task.order_slot].task = nullptr;
  ++holes_;
  finished_.push_back(task.id);
  by_id_.Remove(task.id);
  constexpr size_t kHolesMin = 1024;
  if (holes_ > kHolesMin && holes_ > in_order_.size() / 2) Compact();
}

void TaskTable::Compact() {
  size_t kept = 0;
  for (const Place& place : in_order_) {
    if (place.task == nullptr) continue;
    place.task->order_slot = static_cast<uint32_t>(kept);
    in_order_[kept++] = place;
  }
  in_order_.resize(kept);
  holes_ = 0;
}

bool TaskTable::AddLoaded(std::unique_ptr<Task> owned) {
  Task& task = *owned;
  if (by_id_.Find(task.id) != nullptr) return false;
  in_order_.push_back(Place{task.order, &task});
  by_id_.Insert(task.id, std::move(owned));
  return true;
}

bool TaskTable::SortLoaded() {
  std::sort(in_order_.begin(), in_order_.end(),
            [](const Place& a, const Place& b) { return a.order < b.order; });
  for (size_t slot = 0; slot < in_order_.size(); ++slot) {
    if (slot > 0 && in_order_[slot - 1].order == in_order_[slot].order) return false;
    in_order_[slot].task->order_slot = static_cast<uint32_t>(slot);
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
  size_t present = 0;
  for (size_t slot = 0; slot < in_order_.size(); ++slot) {
    TREADLE_ASSERT(slot == 0 || in_order_[slot - 1].order < in_order_[slot].order);
    const Task* const task = in_order_[slot].task;
    if (task == nullptr) continue;
    ++present;
    TREADLE_ASSERT(task->order == in_order_[slot].order && task->order_slot == slot);
    TREADLE_ASSERT(Find(task->id) == task);
  }
  TREADLE_ASSERT(present == by_id_.size() && present + holes_ == in_order_.size());
}

}  // namespace treadle::engine
