#include "server/engine/stalls.h"

#include <algorithm>

#include "proto/support/limits.h"

namespace treadle::engine {
namespace {

constexpr int64_t kNewsEveryMs = limits::kMinuteMs;

}  // namespace

std::vector<Stall> StallWatch::Look(int64_t most) {
  std::vector<Stall> found;
  const HolderTable::Workers& all = s_.holders.workers();
  int64_t left = most;
  for (auto at = all.lower_bound(next_worker_); at != all.end(); ++at) {
    if (at->first != next_worker_) next_ = {};
    next_worker_ = at->first;
    if (!LookAt(*at->second, left, found)) return found;
    next_ = {};
  }
  next_worker_.clear();
  return found;
}

bool StallWatch::LookAt(Worker& worker, int64_t& left, std::vector<Stall>& found) {
  for (; next_.pool < worker.pools.size(); next_ = Place{.pool = next_.pool + 1}) {
    if (left-- <= 0) return false;
    Taker& taker = worker.pools[next_.pool]->taker;
    if (!taker.able()) continue;
    for (; next_.queue < taker.subscriptions.size(); ++next_.queue, next_.type = 0) {
      if (left-- <= 0) return false;
      Queue& queue = taker.subscriptions[next_.queue]->queue;
      if (!queue.may_dispatch() || queue.ready_lines.empty()) continue;
      if (taker.types.empty()) Found(worker, taker, queue.ready_lines.top(), found);
      for (; next_.type < taker.types.size(); ++next_.type) {
        if (left-- <= 0) return false;
        const auto line = queue.lines.find(taker.types[next_.type]);
        if (line == queue.lines.end() || line->second->ready.empty()) continue;
        Found(worker, taker, *line->second, found);
      }
    }
  }
  return true;
}

void StallWatch::Found(Worker& worker, Taker& taker, Line& line, std::vector<Stall>& found) {
  s_.matching.Mend(taker, line);
  const auto same = [&line](const Stall& one) {
    return one.queue == line.queue.name && one.type == line.type;
  };
  if (std::any_of(found.begin(), found.end(), same)) return;
  const int64_t since_ms = std::max(
      {line.ready.top().waits_since_ms, line.queue.dispatches_since_ms, worker.attached_at_ms});
  Stall& stall =
      found.emplace_back(Stall{line.queue.name, line.type, *worker.name, s_.Shown(since_ms)});
  stall.is_news = line.stall_told_ms == 0 || s_.now_ms - line.stall_told_ms >= kNewsEveryMs;
  if (stall.is_news) line.stall_told_ms = s_.now_ms;
}

}  // namespace treadle::engine
