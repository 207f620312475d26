#include "server/engine/census.h"

#include <algorithm>

#include "server/engine/state.h"

namespace treadle::engine {
namespace {

// The last who took it has left, so long ago that he is not just busy; 0: nobody ever took it.
bool HasLeft(int64_t left_ms, int64_t now_ms) {
  return left_ms == 0 || now_ms - left_ms >= Census::kUnservedMs;
}

// `left` goes down by the types that were looked at.
int64_t UnservedTypes(const Queue& queue, int64_t now_ms, int64_t& left) {
  if (queue.queued == 0 || !queue.of_every.empty() || !HasLeft(queue.every_left_ms, now_ms)) {
    return 0;
  }
  int64_t unserved = 0;
  int64_t looked_at = 0;
  for (const auto& [type, line] : queue.lines) {
    if (looked_at++ == Census::kTypesMax) break;
    if (!line->ready.empty() && line->seats.empty() && HasLeft(line->named_left_ms, now_ms)) {
      ++unserved;
    }
  }
  left -= looked_at;
  return unserved;
}

void Count(const Queue& queue, int64_t now_ms, QueueCensus& census) {
  ++census.queues;
  if (queue.paused()) ++census.paused_queues;
  census.scheduled += queue.scheduled;
  census.queued += queue.queued;
  census.running += queue.running;
  census.waiting_bytes += static_cast<int64_t>(queue.waiting_bytes);
  census.waiting_submits += queue.waiter_count;
  census.tasks_max += queue.config.max_tasks;
  census.bytes_max += queue.config.max_bytes;
  if (const auto oldest_ms = queue.OldestSince()) {
    census.oldest_age_ms = std::max(census.oldest_age_ms, now_ms - *oldest_ms);
  }
  if (queue.letters != nullptr) {
    census.dead_letters += queue.letters->count;
    census.dead_letter_bytes += queue.letters->bytes;
  }
  census.counts.Add(queue.totals);
}

void Count(const Worker& worker, WorkerCensus& census) {
  if (worker.call == CallId{}) {
    ++census.away;
    return;
  }
  ++census.connected;
  const bool quarantined = worker.health != nullptr && worker.health->quarantine.has_value();
  if (worker.draining) {
    ++census.draining;
  } else if (quarantined) {
    ++census.quarantined;
  }
  for (const auto& pool : worker.pools) {
    if (!quarantined) census.free_slots += pool->taker.credit;
    census.leased_tasks += pool->leased;
    census.started_tasks += pool->running;
  }
}

void CountQueues(const State& state, int64_t now_ms, int64_t& left, Census& census) {
  const QueueTable::Map& all = state.queues.all();
  for (auto at = all.upper_bound(census.after); at != all.end(); ++at) {
    if (left-- <= 0) return;
    const Queue& queue = *at->second;
    census.after = at->first;
    if (!queue.declared) continue;
    if (census.together) {
      Count(queue, now_ms, census.others);
      if (queue.counted_apart) census.others.times.Add(*queue.times);
      continue;
    }
    QueueCensus& counted = queue.counted_apart ? census.queues.emplace_back() : census.others;
    if (queue.counted_apart) {
      counted.name = queue.name;
      counted.times = *queue.times;
    }
    Count(queue, now_ms, counted);
    counted.unserved_types += UnservedTypes(queue, now_ms, left);
  }
  census.others.counts.Add(state.queues.forgotten_counts());
  census.others.times.Add(state.queues.others_times());
  if (census.together) {
    census.others.counts.Add(state.queues.deleted_counts());
    census.others.times.Add(state.queues.deleted_times());
  }
  census.next = Census::Next::kWorkers;
  census.after.clear();
}

void CountWorkers(const State& state, int64_t& left, Census& census) {
  const HolderTable::Workers& all = state.holders.workers();
  for (auto at = all.upper_bound(census.after); at != all.end(); ++at) {
    if (left-- <= 0) return;
    census.after = at->first;
    Count(*at->second, census.workers);
  }
  census.next = Census::Next::kNothing;
}

}  // namespace

void QueueCounts::Add(const QueueCounts& more) {
  submitted += more.submitted;
  succeeded += more.succeeded;
  failed += more.failed;
  cancelled += more.cancelled;
  expired += more.expired;
  retried += more.retried;
}

void QueueTimes::Add(const QueueTimes& more) {
  queueing.Add(more.queueing);
  running.Add(more.running);
}

bool ContinueCensus(const State& state, int64_t now_ms, int64_t most, Census& census) {
  int64_t left = most;
  if (census.next == Census::Next::kQueues) CountQueues(state, now_ms, left, census);
  if (census.next == Census::Next::kWorkers) CountWorkers(state, left, census);
  return census.next != Census::Next::kNothing;
}

}  // namespace treadle::engine
