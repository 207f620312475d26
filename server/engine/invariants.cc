#include "server/engine/invariants.h"

#include <map>

#include "proto/support/assert.h"
#include "server/engine/letter_fingerprint.h"
#include "server/engine/unserved.h"

namespace treadle::engine {
namespace {

struct Counted {
  int64_t scheduled = 0;
  int64_t queued = 0;
  int64_t running = 0;
  uint64_t waiting_bytes = 0;
};

struct Seen {
  std::map<const Queue*, Counted> queues;
  std::map<const Line*, int64_t> lines;
  std::map<const Line*, int64_t> unary_leases;
  std::map<const Grant*, int64_t> grants;
  std::map<const TaskRun*, uint32_t> runs;
  std::map<const Worker*, Counted> workers;
  size_t keys = 0;
  size_t timers = 0;
  size_t dates = 0;
};

void CheckLease(const State& state, const Task& task, Seen& seen) {
  const LiveLease& lease = *task.lease;
  TREADLE_ASSERT(&lease.task == &task && lease.grant != nullptr);
  TREADLE_ASSERT(lease.token > task.last_token);
  TREADLE_ASSERT(static_cast<uint64_t>(lease.token) < state.counters.next_token);
  for (uint32_t i = 0; i < task.count; ++i) {
    TREADLE_ASSERT(state.grants.Find(lease.TokenOf(i)) == &task);
  }
  seen.grants[lease.grant] += task.count;
  const Worker* const worker = lease.worker;
  TREADLE_ASSERT(lease.linked() == (worker != nullptr));
  if (worker == nullptr) {
    ++seen.unary_leases[task.line];
    TREADLE_ASSERT(lease.grant->worker_id.empty() && lease.started && !lease.timed_out);
    return;
  }
  TREADLE_ASSERT(lease.grant->worker_id == worker->id && lease.stored_lease_ms == 0);
  seen.workers[worker].running += task.count;
  seen.workers[worker].waiting_bytes += task.payload_bytes;
}

void CheckTask(const State& state, const Lifecycle& lifecycle, const Task& task, Seen& seen) {
  Counted& counted = seen.queues[&task.queue()];
  seen.lines[task.line] += task.count;
  TREADLE_ASSERT(task.queue().declared);
  TREADLE_ASSERT(task.attempts_spent >= 0 && task.attempts_spent < task.max_attempts);
  TREADLE_ASSERT(task.order < state.counters.next_order);
  TREADLE_ASSERT(task.id.session < state.counters.next_session);
  TREADLE_ASSERT((task.lease != nullptr) == (task.state == TaskState::kRunning));
  TREADLE_ASSERT((task.ready_slot != kNoSlot) == (task.state == TaskState::kQueued));
  TREADLE_ASSERT(task.count == 1 ||
                 (task.run != nullptr && task.extras == nullptr && task.attempts_spent == 0 &&
                  !task.watched && !task.has_attempt_row && !task.cancel_requested &&
                  (task.lease == nullptr || (task.lease->worker != nullptr &&
                                             !task.lease->started && !task.lease->timed_out))));
  if (const TaskRun* const run = task.run.get()) {
    const uint32_t index = run->IndexOf(task.id);
    TREADLE_ASSERT(task.id.session == run->first.session &&
                   index + task.count <= run->sizes.count() &&
                   task.payload_bytes == run->sizes.Bytes(index, index + task.count));
    seen.runs[run] += task.count;
  }
  const bool waits = task.state != TaskState::kRunning;
  const ListNode<WaitingTaskTag>& node = task;
  TREADLE_ASSERT(node.linked() == waits);
  TREADLE_ASSERT(!task.cancel_requested || !waits);
  if (waits) counted.waiting_bytes += task.payload_bytes;
  switch (task.state) {
    case TaskState::kScheduled:
      counted.scheduled += task.count;
      break;
    case TaskState::kQueued:
      counted.queued += task.count;
      break;
    default:
      TREADLE_ASSERT(task.state == TaskState::kRunning);
      counted.running += task.count;
      CheckLease(state, task, seen);
  }
  const int64_t due = lifecycle.NextDue(task);
  const bool unary = task.lease != nullptr && task.lease->worker == nullptr;
  TREADLE_ASSERT(unary ? state.timers.DueOf(task) != kNever : state.timers.DueOf(task) == due);
  if (due != kNever) ++seen.timers;
  const int64_t date = lifecycle.NextDate(task);
  TREADLE_ASSERT(state.dates.DueOf(task) == date);
  if (date != kNever) ++seen.dates;
  if (task.has_key()) {
    ++seen.keys;
    RequestKeys::Entry* const entry =
        const_cast<RequestKeys&>(state.keys).Find(*task.queue().name, task.extras->request_key);
    TREADLE_ASSERT(entry != nullptr && entry->task == task.id && entry->waiter == nullptr);
  }
}

void CheckWaiters(const State& state, const Queue& queue, Seen& seen) {
  int64_t count = 0;
  const auto check = [&](const Waiter& waiter) {
    ++count;
    ++seen.timers;
    TREADLE_ASSERT(state.waiters.Find(waiter.submit.id) == &waiter && &waiter.queue == &queue);
    TREADLE_ASSERT(state.timers.DueOf(waiter) != kNever);
    TREADLE_ASSERT(state.calls.Find(waiter.submit.call) != nullptr);
    TREADLE_ASSERT(state.tasks.Find(waiter.submit.id) == nullptr);
  };
  for (const Waiter& waiter : queue.waiters) {
    TREADLE_ASSERT(waiter.leader == nullptr);
    check(waiter);
    if (!waiter.submit.spec.request_key.empty()) ++seen.keys;
    for (const Waiter& follower : waiter.followers) {
      TREADLE_ASSERT(follower.leader == &waiter && follower.followers.empty());
      check(follower);
    }
  }
  TREADLE_ASSERT(count == queue.waiter_count);
}

void CheckQueue(const State& state, const Queue& queue, bool after_tick, Seen& seen) {
  const Counted& counted = seen.queues[&queue];
  TREADLE_ASSERT(queue.scheduled == counted.scheduled && queue.queued == counted.queued &&
                 queue.running == counted.running);
  TREADLE_ASSERT(queue.waiting_bytes == counted.waiting_bytes);
  TREADLE_ASSERT(queue.declared || (queue.subscribers > 0 && queue.lines.empty()));
  int64_t idle = 0;
  for (const auto& [type, line] : queue.lines) {
    TREADLE_ASSERT(line->unfinished == seen.lines[line.get()]);
    const ListNode<IdleLineTag>& node = *line;
    TREADLE_ASSERT(node.linked() == (line->unfinished == 0));
    if (line->unfinished == 0) ++idle;
    TREADLE_ASSERT((line->named.now() != 0) == !line->seats.empty());
    TREADLE_ASSERT(line->unary_leases == seen.unary_leases[line.get()]);
    const bool timed = state.timers.DueOf(*line) != kNever;
    if (timed) ++seen.timers;
    TREADLE_ASSERT(timed || line->queued_tasks.empty() ||
                   FailsUnservedAt(queue, line.get(), state.now_ms, state) == kNever);
  }
  TREADLE_ASSERT(idle == queue.idle_line_count);
  TREADLE_ASSERT(queue.pauses.now() == queue.PauseForTrail());
  TREADLE_ASSERT(queue.served.now() == queue.ServedForTrail());
  state.matching.CheckInvariants(queue);
  CheckWaiters(state, queue, seen);
  // Room that someone waits for was given, or is about to be.
  if (!queue.waiters.empty() && !queue.has_room_news) {
    TREADLE_ASSERT(!queue.Fits(queue.waiters.front().submit.spec.payload_bytes));
  }
  const bool ends = queue.pause.until_ms != 0;
  TREADLE_ASSERT(!ends || queue.paused());
  TREADLE_ASSERT(ends == (state.timers.DueOf(queue.pause_end) != kNever));
  if (ends) ++seen.timers;
  TREADLE_ASSERT((queue.attempts != nullptr) ==
                 (queue.declared && queue.config.breaker.failure_percent > 0));
  if (!after_tick) return;
  TREADLE_ASSERT(!queue.has_room_news);
  state.matching.CheckNothingToGive(queue);
}

void CheckLetters(const State& state, Seen& seen) {
  int64_t groups = 0;
  for (const auto& [name, queue] : state.queues.all()) {
    if (queue->letters == nullptr) continue;
    const LetterBox& box = *queue->letters;
    TREADLE_ASSERT(&box.queue == queue.get() && queue->declared && !box.groups.empty());
    int64_t count = 0;
    int64_t bytes = 0;
    for (const auto& [fingerprint, group] : box.groups) {
      TREADLE_ASSERT(group.count > 0 && group.bytes > 0);
      TREADLE_ASSERT((group.type == nullptr) == (fingerprint == kOtherLetters));
      count += group.count;
      bytes += group.bytes;
    }
    TREADLE_ASSERT(count == box.count && bytes == box.bytes);
    groups += static_cast<int64_t>(box.groups.size());
    const bool timed = state.timers.DueOf(box) != kNever;
    TREADLE_ASSERT(timed == (box.reading == 0));
    if (timed) ++seen.timers;
  }
  TREADLE_ASSERT(groups == state.letter_groups);
  std::map<const TaskRun*, uint32_t> moving;
  for (const auto& [id, move] : state.letter_moves) {
    TREADLE_ASSERT(move.letter < state.counters.next_letter);
    TREADLE_ASSERT(state.tasks.Find(id) == nullptr);
    if (move.run != nullptr) ++moving[move.run.get()];
    if (move.run == nullptr) TREADLE_ASSERT(move.row == id);
  }
  for (const auto& [run, tasks] : moving) TREADLE_ASSERT(run->moving == tasks);
}

void CheckJobs(const State& state) {
  size_t running = 0;
  for (const auto& [id, job] : state.jobs.all) {
    TREADLE_ASSERT(id == job.row.id && id < state.counters.next_session);
    TREADLE_ASSERT((job.row.ended_at_ms == 0) == job.running());
    if (!job.running()) continue;
    ++running;
    TREADLE_ASSERT(state.jobs.running.at(id) == &job && job.row.next < job.row.end);
  }
  TREADLE_ASSERT(running == state.jobs.running.size());
}

void CheckHolders(const State& state, Seen& seen) {
  for (const auto& [id, worker] : state.holders.workers()) {
    const Counted& counted = seen.workers[worker.get()];
    TREADLE_ASSERT(worker->lease_count == counted.running);
    TREADLE_ASSERT(worker->leased_bytes == counted.waiting_bytes);
    TREADLE_ASSERT(worker->given.empty());
    TREADLE_ASSERT(worker->call != CallId{} || worker->lease_count > 0);
    TREADLE_ASSERT(worker->call == CallId{} || state.calls.WorkerOf(worker->call) == worker.get());
    const bool timed = state.timers.DueOf(*worker) != kNever;
    TREADLE_ASSERT(timed || worker->lease_count == 0);
    if (timed) ++seen.timers;
    int64_t leased = 0;
    int64_t running = 0;
    int64_t started = 0;
    for (const auto& pool : worker->pools) {
      leased += pool->leased;
      running += pool->running;
      TREADLE_ASSERT(pool->taker.blocked == worker->blocked && pool->taker.credit >= 0);
    }
    int64_t in_pools = 0;
    for (const LiveLease& lease : worker->leases) {
      if (lease.pool < 0 || worker->call == CallId{}) continue;
      in_pools += lease.task.count;
      if (lease.started) ++started;
    }
    TREADLE_ASSERT(leased == in_pools && running == started);
  }
  seen.timers += state.holders.poll_count();
  // Those that are answered in the next turn, because this one met its bound, have none.
  for (const CallId id : state.due_polls) {
    const Call* const call = state.calls.Find(id);
    if (call != nullptr && call->poll != nullptr) --seen.timers;
  }
}

void CheckDrains(const State& state, Seen& seen) {
  size_t matches = 0;
  for (const auto& [id, drain] : state.drains) {
    TREADLE_ASSERT(id == drain->row.id && id < state.counters.next_session);
    const bool ends = drain->row.until_ms != 0;
    TREADLE_ASSERT(ends == (state.timers.DueOf(*drain) != kNever));
    if (ends) ++seen.timers;
    matches += drain->workers.size();
  }
  for (const auto& [id, worker] : state.holders.workers()) {
    for (const Drain* const drain : worker->drains) {
      TREADLE_ASSERT(drain->workers.contains(worker.get()));
    }
    TREADLE_ASSERT(worker->drains.empty() || worker->draining);
    matches -= worker->drains.size();
  }
  TREADLE_ASSERT(matches == 0);
}

void CheckCalls(const State& state) {
  for (const auto& [id, call] : state.calls.all()) {
    TREADLE_ASSERT(!call->empty());
    TREADLE_ASSERT(call->session == nullptr || call->session->call == id);
    TREADLE_ASSERT(call->worker == nullptr || call->worker->call == id);
    TREADLE_ASSERT(call->poll == nullptr || call->poll->call == id);
    for (const Waiter& waiter : call->waiters) TREADLE_ASSERT(waiter.submit.call == id);
  }
}

}  // namespace

void CheckState(const State& state, const Lifecycle& lifecycle, bool after_tick) {
  Seen seen;
  state.tasks.CheckInvariants();
  state.tasks.ForEach([&](const Task& task) { CheckTask(state, lifecycle, task, seen); });
  for (const auto& [run, tasks] : seen.runs) TREADLE_ASSERT(run->unfinished == tasks);
  int64_t declared = 0;
  for (const auto& [name, queue] : state.queues.all()) {
    TREADLE_ASSERT(name == *queue->name);
    if (queue->declared) ++declared;
    CheckQueue(state, *queue, after_tick, seen);
  }
  TREADLE_ASSERT(declared == state.queues.declared_count());
  for (const auto& [first_token, grant] : state.grants.all()) {
    TREADLE_ASSERT(grant.live > 0 && grant.live == seen.grants[&grant]);
  }
  CheckLetters(state, seen);
  CheckJobs(state);
  CheckHolders(state, seen);
  CheckDrains(state, seen);
  CheckCalls(state);
  state.reports.CheckInvariants();
  for (const auto& [id, session] : state.sessions.all()) {
    TREADLE_ASSERT(id < state.counters.next_session);
    const bool kept = state.timers.DueOf(*session) != kNever;
    TREADLE_ASSERT(kept == (session->call == CallId{}));
    TREADLE_ASSERT(session->linked() == (kept && !session->had_task));
    if (kept) ++seen.timers;
  }
  TREADLE_ASSERT(seen.timers == state.timers.size() && seen.dates == state.dates.size());
  state.timers.CheckInvariants();
  state.dates.CheckInvariants();
  if (after_tick) TREADLE_ASSERT(seen.keys == state.keys.size() && state.matching.idle());
}

}  // namespace treadle::engine
