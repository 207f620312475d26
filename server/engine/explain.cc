#include "server/engine/explain.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "server/engine/unserved.h"
#include "server/engine/views.h"

namespace treadle::engine {
namespace {

constexpr int64_t kLookedAtMax = 100'000;
constexpr size_t kNamesMax = 10;

// A task that waits, or would.
struct Waiting {
  const Queue* queue = nullptr;  // null: there is none of the name, and nobody waits for it
  const Line* line = nullptr;    // null: none of its type is there
  const std::string& type;
  ReadyKey key;          // those below it come first
  uint32_t within = 0;   // of those that are in one object with it, how many come first
  int64_t since_ms = 0;  // service time
  bool is_due = true;    // it could run now
};

// Those who serve a queue, and of them who would take tasks of one type.
struct QueueTakers {
  QueueTakers(const Queue& queue, const std::string& type) {
    for (const Subscription& one : queue.of_every) Count(one.taker);
    for (const Subscription& one : queue.by_type) {
      if (one.taker.Takes(type)) {
        Count(one.taker);
      } else {
        ++others;
      }
    }
  }

  int64_t able = 0;
  int64_t busy = 0;
  int64_t draining = 0;
  int64_t quarantined = 0;
  int64_t quarantined_since_ms = INT64_MAX;  // Unix time: of the first of them
  int64_t others = 0;                        // that take other types only
  std::vector<std::string> able_names;
  std::vector<std::string> busy_names;
  std::vector<std::string> draining_names;
  std::vector<std::string> quarantined_names;

  int64_t fitting() const { return able + busy + draining + quarantined; }

 private:
  static void AddName(const Holder& holder, std::vector<std::string>& names) {
    if (holder.worker == nullptr || names.size() == kNamesMax) return;
    // A worker's pools come one after the other.
    if (names.empty() || names.back() != *holder.name) names.push_back(*holder.name);
  }
  void Count(const Taker& taker) {
    const Holder& holder = taker.holder;
    if (holder.worker != nullptr && holder.worker->draining) {
      ++draining;
      AddName(holder, draining_names);
    } else if (taker.quarantined) {
      ++quarantined;
      quarantined_since_ms =
          std::min(quarantined_since_ms, holder.worker->health->quarantine->since_ms);
      AddName(holder, quarantined_names);
    } else if (taker.able()) {
      ++able;
      AddName(holder, able_names);
    } else {
      ++busy;
      AddName(holder, busy_names);
    }
  }
};

ReasonView Of(Reason reason, int64_t since_ms, const State& state,
              ReasonEnd end = ReasonEnd::kByOthers) {
  ReasonView view;
  view.reason = reason;
  view.since_ms = state.Shown(since_ms);
  view.end = end;
  return view;
}

// That nobody takes it; which ends with the task, if its queue says so. REQUIRES: there is one.
ReasonView OfUnserved(Reason reason, const Waiting& waiting, int64_t since_ms, const State& state) {
  ReasonView view = Of(reason, since_ms, state, ReasonEnd::kByOperator);
  if (!waiting.is_due) return view;
  const int64_t fails_ms = FailsUnservedAt(*waiting.queue, waiting.line, waiting.since_ms, state);
  if (fails_ms == kNever) return view;
  view.end = ReasonEnd::kByItself;
  view.until_ms = state.Shown(fails_ms);
  return view;
}

// Workers without a stream that served the queue, and have leases still: they may come back.
std::optional<ReasonView> WorkersAway(const Queue& queue, int64_t since_ms, const State& state) {
  ReasonView view = Of(Reason::kWorkersAway, since_ms, state);
  for (const auto& [id, worker] : state.holders.workers()) {
    if (worker->call != CallId{} || std::find(worker->queues.begin(), worker->queues.end(),
                                              *queue.name) == worker->queues.end()) {
      continue;
    }
    ++view.count;
    if (view.workers.size() < kNamesMax) view.workers.push_back(*worker->name);
    view.until_ms = std::max(view.until_ms, LeasesEndAt(*worker, state));
  }
  if (view.count == 0) return std::nullopt;
  view.end = ReasonEnd::kByItself;
  return view;
}

// What its queue has in the way of it.
void AddOfQueue(const Queue& queue, int64_t since_ms, const State& state,
                std::vector<ReasonView>& reasons) {
  if (queue.purge != nullptr) {
    reasons.push_back(Of(Reason::kPurged, std::max(since_ms, queue.purge->begun_ms), state));
  }
  if (queue.paused()) {
    const Reason reason = queue.pause.by_breaker ? Reason::kCircuitOpen : Reason::kPaused;
    ReasonView view = Of(reason, since_ms, state, ReasonEnd::kByOperator);
    view.since_ms = std::max(view.since_ms, queue.pause.since_ms);
    if (queue.pause.until_ms != 0) {
      view.end = ReasonEnd::kByItself;
      view.until_ms = state.Shown(queue.pause.until_ms);
    }
    view.said = queue.pause.reason;
    reasons.push_back(std::move(view));
  }
}

void AddAhead(const Waiting& waiting, const State& state, std::vector<ReasonView>& reasons) {
  ReasonView view = Of(Reason::kBehind, waiting.since_ms, state);
  view.count = waiting.within;
  int64_t looked_at = 0;
  if (waiting.line != nullptr) {
    waiting.line->ready.VisitBelow(waiting.key, [&](const Task& task) {
      view.count += task.count;
      view.at_least = ++looked_at == kLookedAtMax;
      return !view.at_least;
    });
  }
  if (view.count == 0) return;
  const double rate = waiting.queue->totals.finish_rate.PerSecond(state.now_ms);
  if (rate > 0 && !view.at_least) {
    view.end = ReasonEnd::kAbout;
    const double wait_ms = 1e3 * static_cast<double>(view.count) / rate;
    view.until_ms = state.Shown(state.now_ms) + static_cast<int64_t>(std::min(wait_ms, 1e12));
  }
  reasons.push_back(std::move(view));
}

// Why nobody takes it, were it not for its queue.
void AddOfTakers(const Waiting& waiting, const State& state, std::vector<ReasonView>& reasons) {
  const int64_t since_ms = waiting.since_ms;
  if (waiting.queue == nullptr) {
    reasons.push_back(Of(Reason::kNoWorker, since_ms, state, ReasonEnd::kByOperator));
    return;
  }
  const Queue& queue = *waiting.queue;
  QueueTakers takers(queue, waiting.type);
  const int64_t left_ms =
      std::max(queue.every_left_ms, waiting.line == nullptr ? 0 : waiting.line->named_left_ms);
  if (takers.fitting() == 0) {
    const int64_t alone_ms = std::max(since_ms, left_ms);
    if (auto away = WorkersAway(queue, alone_ms, state)) reasons.push_back(*std::move(away));
    const Reason reason = takers.others == 0 ? Reason::kNoWorker : Reason::kNoHandler;
    reasons.push_back(OfUnserved(reason, waiting, alone_ms, state));
    reasons.back().count = takers.others;
    return;
  }
  if (takers.draining == takers.fitting()) {
    ReasonView view = OfUnserved(Reason::kWorkersDrain, waiting, since_ms, state);
    view.count = takers.draining;
    view.workers = takers.draining_names;
    reasons.push_back(std::move(view));
    return;
  }
  AddAhead(waiting, state, reasons);
  const bool busy = takers.able == 0 && takers.busy > 0;
  if (!busy && !reasons.empty()) return;
  ReasonView view = Of(busy ? Reason::kSlotsBusy : Reason::kNext,
                       std::max(since_ms, queue.dispatches_since_ms), state);
  // If all that are left are in quarantine, one of them is released for it.
  const bool needed = takers.able + takers.busy == 0;
  view.count = busy ? takers.busy : needed ? takers.quarantined : takers.able;
  view.workers = busy ? takers.busy_names : needed ? takers.quarantined_names : takers.able_names;
  reasons.push_back(std::move(view));
  if (!busy || takers.quarantined == 0) return;
  ReasonView quarantined = Of(Reason::kQuarantined, since_ms, state, ReasonEnd::kByOperator);
  quarantined.since_ms = std::max(quarantined.since_ms, takers.quarantined_since_ms);
  quarantined.count = takers.quarantined;
  quarantined.workers = std::move(takers.quarantined_names);
  reasons.push_back(std::move(quarantined));
}

void AddOfWaiting(const Waiting& waiting, const State& state, std::vector<ReasonView>& reasons) {
  if (waiting.queue != nullptr) AddOfQueue(*waiting.queue, waiting.since_ms, state, reasons);
  AddOfTakers(waiting, state, reasons);
}

ReasonView Until(Reason reason, int64_t since_ms, int64_t until_ms, const State& state) {
  ReasonView view = Of(reason, since_ms, state, ReasonEnd::kByItself);
  view.until_ms = until_ms;
  return view;
}

void AddOfRunning(const Task& task, const State& state, std::vector<ReasonView>& reasons) {
  const LiveLease& lease = *task.lease;
  const std::string& name = *lease.grant->worker_name;
  const int64_t begun_ms = lease.started ? lease.started_at_ms : lease.grant->granted_at_ms;
  if (lease.worker != nullptr && lease.worker->call == CallId{}) {
    reasons.push_back(Until(Reason::kHolderAway,
                            state.WhenListened(lease.worker->heard_listened_ms),
                            LeasesEndAt(*lease.worker, state), state));
    reasons.back().workers.push_back(name);
  }
  Reason reason = lease.started ? Reason::kRuns : Reason::kHeld;
  if (StopOf(task, state.now_ms) != StopReason::kNone) reason = Reason::kStops;
  ReasonView view = Of(reason, begun_ms, state);
  if (reason == Reason::kRuns && task.attempt_timeout_ms > 0) {
    view.end = ReasonEnd::kByItself;
    view.until_ms = state.Shown(begun_ms + task.attempt_timeout_ms);
  }
  if (reason == Reason::kHeld && lease.worker != nullptr && lease.pool >= 0 &&
      static_cast<size_t>(lease.pool) < lease.worker->pools.size()) {
    view.count = lease.worker->pools[static_cast<size_t>(lease.pool)]->running;
  }
  view.workers.push_back(name);
  reasons.push_back(std::move(view));
}

}  // namespace

std::vector<ReasonView> ReasonsOf(const Task& task, TaskId id, const State& state) {
  std::vector<ReasonView> reasons;
  if (task.lease != nullptr) {
    AddOfRunning(task, state, reasons);
    return reasons;
  }
  const Queue& queue = task.queue();
  const auto before = static_cast<uint32_t>(id.sequence - task.id.sequence);
  const bool lifo = queue.config.discipline == Discipline::kLifo;
  Waiting waiting{.queue = &queue, .line = task.line, .type = *task.line->type};
  waiting.key = ReadyKeyOf(task, queue.config.discipline);
  waiting.within = lifo ? task.count - 1 - before : before;
  waiting.since_ms = task.waits_since_ms;
  if (task.state == TaskState::kScheduled) {
    const bool failed = task.attempts_spent > 0;
    const int64_t until_ms = task.run_at_is_date ? task.run_at_ms : state.Shown(task.run_at_ms);
    const int64_t since_ms = failed ? task.waits_since_ms : task.submitted_at_ms;
    reasons.push_back(
        Until(failed ? Reason::kBacksOff : Reason::kDelayed, since_ms, until_ms, state));
    waiting.since_ms = state.now_ms;
    waiting.is_due = false;
  }
  AddOfWaiting(waiting, state, reasons);
  return reasons;
}

std::vector<ReasonView> ReasonsOf(const Waiter& waiter, const State& state) {
  std::vector<ReasonView> reasons;
  const Queue& queue = waiter.queue;
  reasons.push_back(Of(Reason::kNoRoom, waiter.since_ms, state));
  // Those in line before it.
  int64_t before = 0;
  for (const Waiter& one : queue.waiters) {
    if (&one == &waiter || before == kLookedAtMax) break;
    ++before;
  }
  reasons.back().count = before;
  reasons.back().at_least = before == kLookedAtMax;
  AddOfQueue(queue, waiter.since_ms, state, reasons);
  return reasons;
}

std::vector<ReasonView> ReasonsFor(const TaskSpec& spec, const State& state) {
  std::vector<ReasonView> reasons;
  const auto found = state.queues.all().find(spec.queue);
  const Queue* const queue = found == state.queues.all().end() ? nullptr : found->second.get();
  Waiting waiting{.queue = queue, .line = nullptr, .type = spec.type};
  waiting.since_ms = state.now_ms;
  if (queue != nullptr) {
    if (const auto line = queue->lines.find(spec.type); line != queue->lines.end()) {
      waiting.line = line->second.get();
    }
    waiting.key = ReadyKeyOf(queue->config.discipline, spec.priority, state.counters.next_order);
    if (queue->declared && (!queue->waiters.empty() || !queue->Fits(spec.payload_bytes))) {
      reasons.push_back(Of(Reason::kNoRoom, state.now_ms, state));
      reasons.back().count = queue->waiter_count;
    }
  }
  const int64_t now_ms = state.Shown(state.now_ms);
  const int64_t run_at_ms = std::max(spec.run_at_ms, now_ms + spec.delay_ms);
  if (run_at_ms > now_ms) {
    reasons.push_back(Until(Reason::kDelayed, state.now_ms, run_at_ms, state));
    waiting.is_due = false;
  }
  AddOfWaiting(waiting, state, reasons);
  return reasons;
}

}  // namespace treadle::engine
