#include "server/engine/listing.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "server/engine/queue.h"
#include "server/engine/task.h"
#include "server/engine/views.h"

namespace treadle::engine {
namespace {

constexpr int64_t kLooksMax = 100'000;
// Of one queue, that are sorted before they are looked at.
constexpr int64_t kSortedMax = 10'000;

constexpr uint32_t Bit(TaskState state) { return 1u << static_cast<uint32_t>(state); }
constexpr uint32_t kWaits = Bit(TaskState::kScheduled) | Bit(TaskState::kQueued);
constexpr uint32_t kUnfinished = kWaits | Bit(TaskState::kRunning);

// One pass over tasks in the query's order.
class Pass {
 public:
  Pass(const State& state, const TaskQuery& query, absl::FunctionRef<bool(TaskView&& task)> visit)
      : state_(state), query_(query), visit_(visit) {}

  // False: no further. Tasks that are not reached yet, or are passed already, are left out.
  bool Look(const Task& task) {
    const uint64_t last = task.order + task.count - 1;
    const bool forward = !query_.newest_first;
    if (forward ? last < query_.from : task.order > query_.from) return true;
    const uint64_t begin =
        forward ? std::max(query_.from, task.order) : std::min(query_.from, last);
    if (looks_++ == kLooksMax) return StopBefore(begin);
    if (!Fits(task)) {
      looked_at_.searched += static_cast<int64_t>(forward ? last - begin : begin - task.order) + 1;
      return true;
    }
    for (uint64_t order = begin; order >= task.order && order <= last;
         forward ? ++order : --order) {
      const TaskId id{task.id.session, task.id.sequence + (order - task.order)};
      if (!visit_(ViewOf(task, id, state_))) return StopBefore(order);
      ++looked_at_.searched;
    }
    return true;
  }

  TasksLookedAt Take() { return looked_at_; }

 private:
  bool StopBefore(uint64_t order) {
    looked_at_.next = order;
    return false;
  }
  bool Fits(const Task& task) {
    if (query_.states != 0 && (query_.states & Bit(task.state)) == 0) return false;
    const auto [known, is_new] = fits_.try_emplace(task.line, false);
    if (is_new) {
      const std::string& queue = *task.queue().name;
      known->second =
          (query_.queue.empty() || queue == query_.queue) && query_.fits(queue, *task.line->type);
    }
    return known->second;
  }

  const State& state_;
  const TaskQuery& query_;
  const absl::FunctionRef<bool(TaskView&& task)> visit_;
  absl::flat_hash_map<const Line*, bool> fits_;
  int64_t looks_ = 0;
  TasksLookedAt looked_at_;
};

int64_t CountIn(const Queue& queue, uint32_t states) {
  return ((states & Bit(TaskState::kScheduled)) != 0 ? queue.scheduled : 0) +
         ((states & Bit(TaskState::kQueued)) != 0 ? queue.queued : 0) +
         ((states & Bit(TaskState::kRunning)) != 0 ? queue.running : 0);
}

void LookThroughWaiting(const Queue& queue, bool newest_first, Pass& pass) {
  std::vector<const Task*> tasks;
  for (const Task& task : queue.scheduled_tasks) tasks.push_back(&task);
  for (size_t i = 0; i < queue.ready_lines.size(); ++i) {
    for (const Task& task : queue.ready_lines[i].item->queued_tasks) tasks.push_back(&task);
  }
  std::sort(tasks.begin(), tasks.end(), [newest_first](const Task* a, const Task* b) {
    return newest_first ? a->order > b->order : a->order < b->order;
  });
  for (const Task* const task : tasks) {
    if (!pass.Look(*task)) return;
  }
}

void LookThroughAll(const TaskTable& tasks, const TaskQuery& query, Pass& pass) {
  const TaskTable::InOrder& all = tasks.in_order();
  if (query.newest_first) {
    for (auto at = all.upper_bound(query.from); at != all.begin();) {
      --at;
      if (!pass.Look(*at->second)) return;
    }
    return;
  }
  for (auto at = tasks.From(query.from); at != all.end(); ++at) {
    if (!pass.Look(*at->second)) return;
  }
}

}  // namespace

TasksLookedAt LookThroughTasks(const State& state, const TaskQuery& query,
                               absl::FunctionRef<bool(TaskView&& task)> visit) {
  Pass pass(state, query, visit);
  const uint32_t states = query.states == 0 ? kUnfinished : query.states & kUnfinished;
  const Queue* const queue = query.queue.empty() ? nullptr : state.queues.Find(query.queue);
  if (!query.queue.empty() && (queue == nullptr || CountIn(*queue, states) == 0)) {
    return pass.Take();
  }
  // While it is purged, some of them are in another list.
  if (queue != nullptr && CountIn(*queue, states & ~kWaits) == 0 && queue->purge == nullptr &&
      queue->waiting() <= kSortedMax) {
    LookThroughWaiting(*queue, query.newest_first, pass);
  } else {
    LookThroughAll(state.tasks, query, pass);
  }
  return pass.Take();
}

}  // namespace treadle::engine
