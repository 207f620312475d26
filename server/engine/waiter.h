#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "proto/support/assert.h"
#include "server/engine/command.h"
#include "server/engine/intrusive_list.h"
#include "server/engine/timers.h"

namespace treadle::engine {

struct Queue;

struct QueueWaiterTag;
struct CallWaiterTag;

// A submit that waits for room. Those of a queue stand in line; one that has the request key of
// another one in line follows that one: it shares its outcome, or takes its place when it leaves.
struct Waiter : Timed, ListNode<QueueWaiterTag>, ListNode<CallWaiterTag> {
  Waiter(Queue& for_queue, Submit&& what)
      : Timed(TimedKind::kWaiter), queue(for_queue), submit(std::move(what)) {}

  Queue& queue;
  Submit submit;
  int64_t since_ms = 0;
  Waiter* leader = nullptr;
  List<Waiter, QueueWaiterTag> followers;
};

// Every waiting submit by its task's id. (In which order they are served stands in their queues.)
class WaiterTable {
 public:
  Waiter* Find(TaskId id) const {
    const auto found = waiters_.find(id);
    return found == waiters_.end() ? nullptr : found->second.get();
  }
  Waiter& Add(Queue& queue, Submit&& submit) {
    const TaskId id = submit.id;
    auto waiter = std::make_unique<Waiter>(queue, std::move(submit));
    const auto [place, added] = waiters_.emplace(id, std::move(waiter));
    TREADLE_ASSERT(added);
    held_bytes_ += place->second->submit.held_bytes;
    return *place->second;
  }
  void Erase(const Waiter& waiter) {
    held_bytes_ -= waiter.submit.held_bytes;
    waiters_.erase(waiter.submit.id);
  }
  size_t size() const { return waiters_.size(); }
  // Of their payloads.
  int64_t held_bytes() const { return held_bytes_; }

 private:
  absl::flat_hash_map<TaskId, std::unique_ptr<Waiter>> waiters_;
  int64_t held_bytes_ = 0;
};

}  // namespace treadle::engine
