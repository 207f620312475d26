#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "server/engine/queue.h"

namespace treadle::engine {

// Queues by name, and their lines by type.
class QueueTable {
 public:
  // Of the queues, `counted_max` are counted apart: see Census.
  explicit QueueTable(int64_t counted_max) : counted_max_(counted_max) {}

  using Map = std::map<std::string, std::unique_ptr<Queue>, std::less<>>;

  // Null: no such queue (a name that is only waited for does not count).
  Queue* Find(std::string_view name) const;
  // The queue, or a name to wait for.
  Queue& Obtain(const std::string& name);
  // Makes a name a queue. REQUIRES: not declared.
  void Declare(Queue& queue, const QueueConfig& config, int64_t created_at_ms);
  // REQUIRES: no unfinished tasks, no waiters.
  void Undeclare(Queue& queue);
  // Forgets a name that nobody uses any more.
  void Release(Queue& queue);

  int64_t declared_count() const { return declared_count_; }
  const Map& all() const { return queues_; }
  // Of the queues that are not counted apart: what those counted that were deleted, and the times
  // of all.
  const QueueCounts& forgotten_counts() const { return forgotten_counts_; }
  const QueueTimes& others_times() const { return *others_times_; }
  // Of those that were counted apart, and were deleted.
  const QueueCounts& deleted_counts() const { return deleted_counts_; }
  const QueueTimes& deleted_times() const { return deleted_times_; }

  // Null: no task of this type has been there lately.
  static Line* FindLine(Queue& queue, const std::string& type);

 private:
  Map queues_;
  int64_t declared_count_ = 0;
  const int64_t counted_max_;
  int64_t counted_apart_ = 0;
  QueueCounts forgotten_counts_;
  const std::shared_ptr<QueueTimes> others_times_ = std::make_shared<QueueTimes>();
  QueueCounts deleted_counts_;
  QueueTimes deleted_times_;
  mutable Queue* latest_ = nullptr;  // the last one asked for: submits come in runs
};

}  // namespace treadle::engine
