#include "server/engine/queue_table.h"

#include <utility>

#include "proto/support/assert.h"

namespace treadle::engine {

ReadyKey ReadyKeyOf(Discipline discipline, int32_t priority, uint64_t order, uint32_t count) {
  switch (discipline) {
    case Discipline::kFifo:
      return {0, order};
    case Discipline::kLifo:
      return {0, ~(order + count - 1)};
    case Discipline::kPriority:
      return {-static_cast<int64_t>(priority), order};
  }
  TREADLE_ASSERT(false);
}

ReadyKey ReadyKeyOf(const Task& task, Discipline discipline) {
  return ReadyKeyOf(discipline, task.priority, task.order, task.count);
}

std::optional<int64_t> Queue::OldestSince() const {
  std::optional<int64_t> oldest_ms;
  for (size_t i = 0; i < ready_lines.size(); ++i) {
    const List<Task, WaitingTaskTag>& tasks = ready_lines[i].item->queued_tasks;
    if (tasks.empty()) continue;  // what is being purged does not count
    const int64_t since_ms = tasks.front().waits_since_ms;
    if (!oldest_ms.has_value() || since_ms < *oldest_ms) oldest_ms = since_ms;
  }
  return oldest_ms;
}

Queue* QueueTable::Find(std::string_view name) const {
  if (latest_ != nullptr && *latest_->name == name) return latest_;
  const auto found = queues_.find(name);
  if (found == queues_.end() || !found->second->declared) return nullptr;
  latest_ = found->second.get();
  return latest_;
}

Queue& QueueTable::Obtain(const std::string& name) {
  std::unique_ptr<Queue>& queue = queues_[name];
  if (queue == nullptr) queue = std::make_unique<Queue>(std::make_shared<const std::string>(name));
  return *queue;
}

void QueueTable::Declare(Queue& queue, const QueueConfig& config, int64_t created_at_ms) {
  TREADLE_ASSERT(!queue.declared && config.name == *queue.name);
  queue.declared = true;
  queue.config = config;
  queue.pause = {};
  queue.closed = false;
  queue.version = 1;
  queue.created_at_ms = created_at_ms;
  queue.totals = QueueTotals();
  queue.counted_apart = counted_apart_ < counted_max_ && *queue.name != Census::kOthers;
  if (queue.counted_apart) ++counted_apart_;
  queue.times = queue.counted_apart ? std::make_shared<QueueTimes>() : others_times_;
  ++declared_count_;
}

void QueueTable::Undeclare(Queue& queue) {
  TREADLE_ASSERT(queue.declared && queue.unfinished() == 0 && queue.waiter_count == 0);
  queue.declared = false;
  if (queue.counted_apart) {
    --counted_apart_;
    deleted_counts_.Add(queue.totals);
    deleted_times_.Add(*queue.times);
  } else {
    forgotten_counts_.Add(queue.totals);
  }
  queue.times = nullptr;
  queue.attempts = nullptr;
  --declared_count_;
  if (latest_ == &queue) latest_ = nullptr;
}

void QueueTable::Release(Queue& queue) {
  if (queue.declared || queue.subscribers > 0) return;
  TREADLE_ASSERT(queue.lines.empty());
  queues_.erase(queues_.find(*queue.name));
}

Line* QueueTable::FindLine(Queue& queue, const std::string& type) {
  if (queue.latest_line != nullptr && *queue.latest_line->type == type) return queue.latest_line;
  const auto found = queue.lines.find(type);
  if (found == queue.lines.end()) return nullptr;
  queue.latest_line = found->second.get();
  return queue.latest_line;
}

}  // namespace treadle::engine
