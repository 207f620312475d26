#include <algorithm>

#include "absl/strings/str_cat.h"

#include "tests/sim/oracle.h"
#include "tests/sim/work.h"

// Tasks that fail because nobody served them. Who asks for tasks one by one is not seen between two
// turns, but by the leases that he has; so what is known of a time without service is at least so
// long.

namespace treadle::sim {

void Oracle::NoteServed(const engine::Engine& engine) {
  const int64_t now_ms = ListenedMs();
  for (const engine::WorkerView& worker : engine.ListWorkers("", SIZE_MAX)) {
    if (!worker.connected || worker.draining) continue;
    for (const engine::PoolView& pool : worker.pools) {
      for (const std::string& type : pool.spec.types.empty() ? kTypes : pool.spec.types) {
        for (const std::string& queue : worker.queues) served_at_ms_[{queue, type}] = now_ms;
      }
    }
  }
  for (const auto& [id, task] : live_.tasks) {
    const auto lease = leases_.find(task.lease);
    if (lease == leases_.end() || !lease->second.worker.empty()) continue;
    served_at_ms_[{task.row.spec.queue, task.row.spec.type}] = now_ms;
  }
  for (const engine::QueueView& queue : engine.ListQueues("", SIZE_MAX, NowMs())) {
    if (queue.pause.since_ms != 0) paused_at_ms_[queue.config.name] = now_ms;
  }
}

// No sooner than its queue says.
void Oracle::CheckUnserved(const Ledger::Task& task, int32_t attempts) const {
  const engine::TaskSpec& spec = task.row.spec;
  const std::string id = task.row.id.ToString();
  Expect(task.lease == engine::Token{} && attempts == task.spent, Promise::kNeverLost,
         absl::StrCat(id, " fails for want of a worker though it had one"));
  CheckDue(task, absl::StrCat("the failure of ", id));
  const auto queue = live_.queues.find(spec.queue);
  const int64_t after_ms =
      queue == live_.queues.end() ? 0 : queue->second.config.fail_unserved_after_ms;
  Expect(after_ms > 0 && queue->second.pause.since_ms == 0, Promise::kNeverLost,
         absl::StrCat(id, " fails for want of a worker, which its queue does not ask for"));
  const auto latest = [](const auto& times, const auto& key) {
    const auto found = times.find(key);
    return found == times.end() ? INT64_MIN : found->second;
  };
  const auto waits = waits_since_.find(task.row.id);
  int64_t since_ms = std::max({started_listened_ms_, latest(paused_at_ms_, spec.queue),
                               latest(served_at_ms_, std::pair(spec.queue, spec.type))});
  int64_t due_at_ms = started_at_ms_;
  if (task.row.submitted_at_ms > started_at_ms_) {
    due_at_ms = task.row.submitted_at_ms + spec.delay_ms;
  }
  if (waits != waits_since_.end()) {
    since_ms = std::max(since_ms, waits->second.begun_ms);
    due_at_ms = std::max(due_at_ms, waits->second.run_at_ms);
  }
  Expect(since_ms + after_ms <= ListenedMs() && due_at_ms + after_ms <= NowMs(),
         Promise::kNeverLost,
         absl::StrCat(id, " fails for want of a worker after ", ListenedMs() - since_ms, " or ",
                      NowMs() - due_at_ms, " ms, and not after ", after_ms, " ms"));
}

}  // namespace treadle::sim
