#include "server/engine/views.h"

#include <algorithm>
#include <memory>

namespace treadle::engine {

uint64_t PayloadBytesOf(const Task& task, TaskId id) {
  if (task.count == 1) return task.payload_bytes;
  const uint32_t index = task.run->IndexOf(id);
  return task.run->sizes.Bytes(index, index + 1);
}

TaskView ViewOf(const Task& task, TaskId id, const State& state) {
  const auto shown = [&state](int64_t at_ms, bool is_date) {
    return is_date || at_ms == 0 ? at_ms : state.Shown(at_ms);
  };
  TaskView view;
  view.id = id;
  view.order = task.order + (id.sequence - task.id.sequence);
  view.queue = task.queue().name;
  view.type = task.line->type;
  view.state = task.state;
  view.priority = task.priority;
  view.attempts = task.attempts_spent;
  view.max_attempts = task.max_attempts;
  view.submitted_at_ms = state.Shown(task.submitted_at_ms);
  if (task.state == TaskState::kScheduled) {
    view.run_at_ms = shown(task.run_at_ms, task.run_at_is_date);
  }
  view.deadline_at_ms = shown(task.deadline_at_ms, task.deadline_is_date);
  view.payload_bytes = PayloadBytesOf(task, id);
  if (task.lease != nullptr) {
    ++view.attempts;
    const LiveLease& lease = *task.lease;
    view.worker = *lease.grant->worker_name;
    view.leased_at_ms = state.Shown(lease.grant->granted_at_ms);
    if (lease.started) view.started_at_ms = state.Shown(lease.started_at_ms);
  }
  view.cancel_requested = task.cancel_requested;
  view.stop = StopOf(task, state.now_ms);
  if (task.extras) {
    view.request_key = task.extras->request_key;
    view.cancel_reason = task.extras->cancel_reason;
    view.failed = task.extras->failed;
  }
  return view;
}

TaskView ViewOf(const Waiter& waiter, const State& state) {
  const TaskSpec& spec = waiter.submit.spec;
  TaskView view;
  view.id = waiter.submit.id;
  view.queue = waiter.queue.name;
  view.type = std::make_shared<const std::string>(spec.type);
  view.state = TaskState{};
  view.priority = spec.priority;
  view.max_attempts = spec.max_attempts;
  view.submitted_at_ms = state.Shown(waiter.since_ms);
  view.payload_bytes = spec.payload_bytes;
  view.request_key = spec.request_key;
  return view;
}

QueueView ViewOf(const Queue& queue, int64_t now_ms, const State& state) {
  QueueView view;
  view.config = queue.config;
  view.pause = queue.pause;
  if (queue.pause.until_ms != 0) view.resume_at_ms = state.Shown(queue.pause.until_ms);
  view.closed = queue.closed;
  view.version = queue.version;
  view.created_at_ms = queue.created_at_ms;
  view.scheduled = queue.scheduled;
  view.queued = queue.queued;
  view.running = queue.running;
  view.waiting_bytes = static_cast<int64_t>(queue.waiting_bytes);
  view.waiting_submitters = queue.waiter_count;
  if (const auto oldest_ms = queue.OldestSince()) {
    view.oldest_age_ms = std::max<int64_t>(0, now_ms - *oldest_ms);
  }
  const QueueTotals& totals = queue.totals;
  view.submitted_total = totals.submitted;
  view.succeeded_total = totals.succeeded;
  view.failed_total = totals.failed;
  view.cancelled_total = totals.cancelled;
  view.expired_total = totals.expired;
  view.retried_total = totals.retried;
  if (queue.letters != nullptr) {
    view.dead_letters = queue.letters->count;
    view.dead_letter_bytes = queue.letters->bytes;
  }
  view.submitted_per_second = totals.submit_rate.PerSecond(now_ms);
  view.finished_per_second = totals.finish_rate.PerSecond(now_ms);
  return view;
}

int64_t LeasesEndAt(const Worker& worker, const State& state) {
  return state.Shown(state.WhenListened(worker.heard_listened_ms + state.options.lease_ms));
}

WorkerView ViewOf(const Worker& worker, const State& state) {
  WorkerView view;
  view.worker_id = worker.id;
  view.name = *worker.name;
  view.peer = worker.peer;
  view.connected = worker.call != CallId{};
  view.draining = worker.draining;
  view.queues = worker.queues;
  for (const auto& pool : worker.pools) {
    view.pools.push_back(PoolView{pool->spec, pool->taker.credit, pool->leased, pool->running});
  }
  view.attached_at_ms = state.Shown(worker.attached_at_ms);
  if (worker.lease_count > 0) view.lease_expires_at_ms = LeasesEndAt(worker, state);
  view.succeeded_total = worker.succeeded_total;
  view.failed_total = worker.failed_total;
  view.labels = worker.labels;
  if (worker.health != nullptr) view.quarantine = worker.health->quarantine;
  return view;
}

}  // namespace treadle::engine
