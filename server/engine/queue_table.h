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

  // Null: no task of this type has been there lately.
  static Line* FindLine(Queue& queue, const std::string& type);

 private:
  Map queues_;
  int64_t declared_count_ = 0;
  mutable Queue* latest_ = nullptr;  // the last one asked for: submits come in runs
};

}  // namespace treadle::engine
