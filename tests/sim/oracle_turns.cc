#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"

#include "tests/sim/oracle.h"

namespace treadle::sim {

using engine::Discipline;
using engine::Durability;
using engine::TaskState;

Oracle::Oracle(const engine::EngineOptions& options, Timeline& timeline, Trace& trace)
    : options_(options), timeline_(timeline), trace_(trace) {}

void Oracle::Broken(Promise promise, const std::string& what) const {
  throw Violation(absl::StrCat("promise ", static_cast<int>(promise), ": ", what));
}

void Oracle::TurnBegins() {
  const int64_t now_ms = timeline_.NowMs();
  deaf_ms_ += std::max<int64_t>(0, now_ms - listened_at_ms_ - kListensMs);
  listened_at_ms_ = now_ms;
}

void Oracle::TurnEnded(const engine::Engine& engine) {
  engine.CheckInvariants();
  uint64_t after = 0;
  bool done = false;
  const std::vector<engine::TaskView> queued =
      engine.ListTasks("", "", 1u << static_cast<int>(TaskState::kQueued), SIZE_MAX, after, done);
  CheckOrder(engine, queued);
  CheckWorking(engine, queued);
  CheckBounds(engine);
  granted_.clear();
  waited_.clear();
  accepted_into_.clear();
  left_from_.clear();
}

// Of two tasks of one queue and type, which any taker of the one could have had instead, the first
// in the queue's order goes first.
void Oracle::CheckOrder(const engine::Engine& engine,
                        const std::vector<engine::TaskView>& queued) const {
  for (const TaskId granted : granted_) {
    const engine::TaskRow& went = live_.Find(granted)->row;
    const auto queue = engine.FindQueue(went.spec.queue, timeline_.NowMs());
    if (!queue.has_value()) continue;
    for (const engine::TaskView& view : queued) {
      if (waited_.contains(view.id)) continue;
      if (*view.queue != went.spec.queue || *view.type != went.spec.type) continue;
      const engine::TaskRow& stayed = live_.Find(view.id)->row;
      const auto rank = [&](const engine::TaskRow& row) {
        switch (queue->config.discipline) {
          case Discipline::kFifo:
            return std::pair<int64_t, int64_t>(0, row.order);
          case Discipline::kLifo:
            return std::pair<int64_t, int64_t>(0, -static_cast<int64_t>(row.order));
          default:
            return std::pair<int64_t, int64_t>(-row.spec.priority, row.order);
        }
      };
      Expect(rank(went) < rank(stayed), Promise::kOrder,
             absl::StrCat(granted.ToString(), " goes before ", view.id.ToString()));
    }
  }
}

int64_t Oracle::LeasedBytes(const std::string& worker_id) const {
  uint64_t bytes = 0;
  for (const auto& [id, task] : live_.tasks) {
    if (task.lease == engine::Token{}) continue;
    const auto lease = leases_.find(task.lease);
    if (lease != leases_.end() && lease->second.worker == worker_id) {
      bytes += task.row.spec.payload_bytes;
    }
  }
  return static_cast<int64_t>(bytes);
}

void Oracle::CheckWorking(const engine::Engine& engine,
                          const std::vector<engine::TaskView>& queued) const {
  for (const engine::WorkerView& worker : engine.ListWorkers("", SIZE_MAX)) {
    if (!worker.connected || worker.draining) continue;
    if (LeasedBytes(worker.worker_id) >= options_.worker_inflight_bytes_max) continue;
    for (const engine::PoolView& pool : worker.pools) {
      if (pool.free == 0) continue;
      const std::vector<std::string>& types = pool.spec.types;
      for (const engine::TaskView& task : queued) {
        if (engine.FindQueue(*task.queue, timeline_.NowMs())->paused) continue;
        const bool serves = std::find(worker.queues.begin(), worker.queues.end(), *task.queue) !=
                            worker.queues.end();
        const bool runs =
            types.empty() || std::find(types.begin(), types.end(), *task.type) != types.end();
        Expect(!serves || !runs, Promise::kAliveMeansWorking,
               absl::StrCat(task.id.ToString(), " waits though ", worker.worker_id, " has ",
                            pool.free, " free slots"));
      }
    }
  }
}

void Oracle::CheckBounds(const engine::Engine& engine) {
  std::map<std::string, Load> waiting;
  std::map<std::string, Load> bounds;
  for (const engine::QueueView& queue : engine.ListQueues("", SIZE_MAX, timeline_.NowMs())) {
    const std::string& name = queue.config.name;
    waiting[name] = {queue.scheduled + queue.queued, queue.waiting_bytes};
    bounds[name].RaiseTo(queue.config);
    Load bound = bounds_before_[name];
    bound.RaiseTo(queue.config);
    const Load& before = waiting_before_[name];
    const Load& left = left_from_[name];
    const Load& accepted = accepted_into_[name];
    const int64_t places = std::max<int64_t>(0, bound.tasks - before.tasks) + left.tasks;
    Expect(
        accepted.tasks <= places, Promise::kBounded,
        absl::StrCat("queue ", name, " takes ", accepted.tasks, " tasks into ", places, " places"));
    const int64_t bytes = std::max<int64_t>(0, bound.bytes - before.bytes) + left.bytes;
    Expect(accepted.bytes <= bytes, Promise::kBounded,
           absl::StrCat("queue ", name, " takes ", accepted.bytes, " bytes into ", bytes));
  }
  waiting_before_ = std::move(waiting);
  bounds_before_ = std::move(bounds);
}

void Oracle::Crashed(bool power) {
  ++counts_.crashes;
  live_ = durable_;
  const auto survives = [&](Durability level) {
    return level == Durability::kSynced || (level == Durability::kWritten && !power);
  };
  std::erase_if(acknowledged_, [&](const auto& entry) {
    if (durable_.Find(entry.first) != nullptr) return false;
    Expect(!survives(entry.second), Promise::kNeverLost,
           absl::StrCat(entry.first.ToString(), " was acknowledged, and is lost"));
    return true;
  });
  std::erase_if(told_, [&](const auto& entry) {
    const Ledger::Task* task = durable_.Find(entry.first);
    if (task != nullptr && task->finished) return false;
    const Durability level = submissions_[entry.first].spec.durability;
    Expect(!survives(level), Promise::kNeverLost,
           absl::StrCat("the outcome of ", entry.first.ToString(), " was told, and is lost"));
    return true;
  });
  std::erase_if(keys_,
                [&](const auto& entry) { return durable_.Find(entry.second.task) == nullptr; });
  asking_.clear();
  sessions_.clear();
  asked_too_early_.clear();
  waiting_.clear();
  workers_.clear();
  streams_.clear();
  attaching_.clear();
  reports_.clear();
  reports_at_hand_.clear();
  refused_.clear();
  purged_.clear();
  granted_.clear();
  waited_.clear();
  accepted_into_.clear();
  left_from_.clear();
  last_token_of_earlier_runs_ = last_token_released_;
}

void Oracle::Starting() {
  started_at_ms_ = listened_at_ms_ = timeline_.NowMs();
  started_listened_ms_ = ListenedMs();
  for (auto& [token, lease] : leases_) {
    lease.until_ms = ListenedMs() + lease.lease_ms;
    lease.told_started_at_ms = lease.worker.empty() ? lease.told_started_at_ms : INT64_MAX;
  }
}

void Oracle::Recovered(const engine::Engine& engine) {
  left_from_.clear();
  waiting_before_.clear();
  bounds_before_.clear();
  int64_t unfinished = 0;
  for (const auto& [id, task] : live_.tasks) {
    if (task.finished) continue;
    ++unfinished;
  }
  Expect(engine.Totals().unfinished_tasks == unfinished, Promise::kNeverLost,
         absl::StrCat(unfinished, " tasks were stored, ", engine.Totals().unfinished_tasks,
                      " are there after the restart"));
  for (const engine::QueueView& queue : engine.ListQueues("", SIZE_MAX, started_at_ms_)) {
    waiting_before_[queue.config.name] = {queue.scheduled + queue.queued, queue.waiting_bytes};
    bounds_before_[queue.config.name].RaiseTo(queue.config);
  }
}

void Oracle::Counts::Add(const Counts& other) {
  accepted += other.accepted;
  existing += other.existing;
  refused += other.refused;
  leases += other.leases;
  taken_back += other.taken_back;
  reports_refused += other.reports_refused;
  outcomes += other.outcomes;
  unknown += other.unknown;
  progress += other.progress;
  crashes += other.crashes;
  for (const auto& [state, count] : other.ended) ended[state] += count;
}

std::string Oracle::Counts::ToString() const {
  const auto of = [&](TaskState state) {
    const auto found = ended.find(state);
    return found == ended.end() ? 0 : found->second;
  };
  return absl::StrCat(
      "submits: ", accepted, " accepted, ", existing, " existing, ", refused,
      " refused; leases: ", leases, " given, ", taken_back,
      " taken back; reports: ", reports_refused, " refused; ends: ", of(TaskState::kSucceeded),
      " succeeded, ", of(TaskState::kFailed), " failed, ", of(TaskState::kCancelled),
      " cancelled, ", of(TaskState::kExpired), " expired; outcomes told: ", outcomes,
      ", unknown: ", unknown, "; progress seen: ", progress, "; broker crashes: ", crashes);
}

std::string ResultOf(TaskId task, engine::Token token) {
  return absl::StrCat(task.ToString(), " by ", static_cast<uint64_t>(token));
}

}  // namespace treadle::sim
