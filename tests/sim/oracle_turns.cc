#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "tests/sim/oracle.h"

namespace treadle::sim {

using engine::Discipline;
using engine::Durability;
using engine::TaskState;

namespace {

bool Runs(const engine::PoolView& pool, const std::string& type) {
  const std::vector<std::string>& types = pool.spec.types;
  return types.empty() || std::find(types.begin(), types.end(), type) != types.end();
}

bool ServesQueue(const engine::WorkerView& worker, const std::string& queue) {
  return std::find(worker.queues.begin(), worker.queues.end(), queue) != worker.queues.end();
}

bool Serves(const engine::WorkerView& worker, const std::string& queue, const std::string& type) {
  return ServesQueue(worker, queue) &&
         std::any_of(worker.pools.begin(), worker.pools.end(),
                     [&](const engine::PoolView& pool) { return Runs(pool, type); });
}

bool TakesTasks(const engine::WorkerView& worker) {
  return worker.connected && !worker.draining && !worker.quarantine.has_value();
}

}  // namespace

Oracle::Oracle(const engine::EngineOptions& options, Trace& trace)
    : options_(options), trace_(trace) {}

void Oracle::Broken(Promise promise, const std::string& what) const {
  throw Violation(promise, what);
}

void Oracle::TurnBegins() {
  const int64_t now_ms = NowMs();
  deaf_ms_ += std::max<int64_t>(0, now_ms - listened_at_ms_ - kListensMs);
  listened_at_ms_ = now_ms;
}

// What can be seen from outside is judged first: it says what a broken rule means.
void Oracle::TurnEnded(const engine::Engine& engine, int64_t stalls) {
  latest_wall_ms_ = std::max(latest_wall_ms_, clock_->WallMs());
  std::vector<engine::TaskView> queued;
  engine.LookThroughTasks({.states = 1u << static_cast<int>(TaskState::kQueued),
                           .fits = [](const std::string&, const std::string&) { return true; }},
                          [&queued](engine::TaskView&& task) {
                            queued.push_back(std::move(task));
                            return true;
                          });
  counts_.stalls += stalls - std::exchange(stalls_, stalls);
  CheckOrder(engine, queued);
  if (!leaves_stalls_) {
    Expect(stalls == 0, Promise::kAliveMeansWorking, "the broker has found a stall");
    CheckWorking(engine, queued);
    CheckExplained(engine, queued);
  }
  CheckQuarantines(engine, queued);
  CheckPausesEnd(engine);
  NoteServed(engine);
  CheckBounds(engine);
  granted_.clear();
  waited_.clear();
  accepted_into_.clear();
  left_from_.clear();
  if (!leaves_stalls_) engine.CheckInvariants();
}

// Of two tasks of one queue and type, which any taker of the one could have had instead, the first
// in the queue's order goes first.
void Oracle::CheckOrder(const engine::Engine& engine,
                        const std::vector<engine::TaskView>& queued) const {
  for (const TaskId granted : granted_) {
    const engine::TaskRow& went = live_.Find(granted)->row;
    const auto queue = engine.FindQueue(went.spec.queue, NowMs());
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

bool Oracle::HoldsLease(const std::string& worker_id) const {
  return std::any_of(live_.tasks.begin(), live_.tasks.end(), [&](const auto& entry) {
    const auto lease = leases_.find(entry.second.lease);
    return lease != leases_.end() && lease->second.worker == worker_id;
  });
}

void Oracle::CheckWorking(const engine::Engine& engine,
                          const std::vector<engine::TaskView>& queued) const {
  if (engine.NextDeadline() <= NowMs()) return;  // the turn met a bound, and goes on in the next
  for (const engine::WorkerView& worker : engine.ListWorkers("", SIZE_MAX)) {
    if (!TakesTasks(worker)) continue;
    if (LeasedBytes(worker.worker_id) >= options_.worker_inflight_bytes_max) continue;
    for (const engine::PoolView& pool : worker.pools) {
      if (pool.free == 0) continue;
      for (const engine::TaskView& task : queued) {
        if (engine.FindQueue(*task.queue, NowMs())->pause.since_ms != 0) continue;
        const bool fits = ServesQueue(worker, *task.queue) && Runs(pool, *task.type);
        Expect(!fits, Promise::kAliveMeansWorking,
               absl::StrCat(task.id.ToString(), " waits though ", worker.worker_id, " has ",
                            pool.free, " free slots"));
      }
    }
  }
}

// Who is in quarantine is given nothing; and is not needed: somebody else takes what it could.
void Oracle::CheckQuarantines(const engine::Engine& engine,
                              const std::vector<engine::TaskView>& queued) {
  const std::vector<engine::WorkerView> workers = engine.ListWorkers("", SIZE_MAX);
  std::map<std::string, int64_t> quarantined;
  for (const engine::WorkerView& worker : workers) {
    if (!worker.quarantine.has_value()) continue;
    quarantined[worker.worker_id] = worker.quarantine->since_ms;
    const auto before = quarantined_.find(worker.worker_id);
    if (before == quarantined_.end()) ++counts_.quarantines;
    if (before == quarantined_.end() || before->second != worker.quarantine->since_ms) continue;
    for (const TaskId id : granted_) {
      const auto lease = leases_.find(live_.Find(id)->lease);
      Expect(lease == leases_.end() || lease->second.worker != worker.worker_id,
             Promise::kAliveMeansWorking,
             absl::StrCat(id.ToString(), " is given to ", worker.worker_id, " in quarantine"));
    }
  }
  quarantined_ = std::move(quarantined);
  if (engine.NextDeadline() <= NowMs()) return;  // as for CheckWorking
  for (const engine::WorkerView& worker : workers) {
    if (!worker.quarantine.has_value() || !worker.connected || worker.draining) continue;
    for (const engine::TaskView& task : queued) {
      if (!Serves(worker, *task.queue, *task.type)) continue;
      const bool by_others = std::any_of(workers.begin(), workers.end(), [&](const auto& other) {
        return TakesTasks(other) && Serves(other, *task.queue, *task.type);
      });
      Expect(by_others, Promise::kAliveMeansWorking,
             absl::StrCat(task.id.ToString(), " waits, and only ", worker.worker_id,
                          ", in quarantine, serves it"));
    }
  }
}

// Of some tasks that are queued, against what the lists of queues and workers say.
void Oracle::CheckExplained(const engine::Engine& engine,
                            const std::vector<engine::TaskView>& queued) {
  using engine::Reason;
  constexpr size_t kLookedAt = 3;
  if (engine.NextDeadline() <= NowMs()) return;  // as for CheckWorking
  const std::vector<engine::WorkerView> workers = engine.ListWorkers("", SIZE_MAX);
  const size_t step = 1 + queued.size() / kLookedAt;
  for (size_t i = 0; i < queued.size(); i += step) {
    const engine::TaskView& task = queued[i];
    const std::optional<engine::Explanation> why = engine.Explain(task.id);
    const Reason first = why && !why->reasons.empty() ? why->reasons.front().reason : Reason::kNext;
    CheckLost(task, why->lost);
    const engine::Pause pause = engine.FindQueue(*task.queue, NowMs())->pause;
    if (pause.since_ms != 0) {
      const Reason paused = pause.by_breaker ? Reason::kCircuitOpen : Reason::kPaused;
      Expect(first == paused || first == Reason::kPurged, Promise::kAliveMeansWorking,
             absl::StrCat(task.id.ToString(), " is explained by ", static_cast<int>(first),
                          " though its queue is paused"));
      continue;
    }
    const bool served = std::any_of(workers.begin(), workers.end(), [&](const auto& worker) {
      return TakesTasks(worker) && Serves(worker, *task.queue, *task.type);
    });
    const bool explained_by_busy = first == Reason::kBehind || first == Reason::kSlotsBusy;
    Expect(explained_by_busy == served, Promise::kAliveMeansWorking,
           absl::StrCat(task.id.ToString(), " is explained by ", static_cast<int>(first),
                        " though ", served ? "somebody serves" : "nobody serves", " its type"));
  }
}

// All of the task's age went somewhere, and nothing beyond: up to the engine's latest step, which
// every task has in common.
void Oracle::CheckLost(const engine::TaskView& task, const std::vector<engine::LostTime>& lost) {
  int64_t sum_ms = 0;
  for (const engine::LostTime& one : lost) sum_ms += one.ms;
  if (sum_ms == 0) return;  // it may be new, or of a life whose clock was ahead
  const int64_t until_ms = Moment(task.submitted_at_ms) + sum_ms;
  Expect(until_ms >= explained_ms_ && until_ms <= NowMs(), Promise::kAliveMeansWorking,
         absl::StrCat(task.id.ToString(), " is explained until ", until_ms, ", others until ",
                      explained_ms_));
  explained_ms_ = until_ms;
}

void Oracle::CheckBounds(const engine::Engine& engine) {
  std::map<std::string, Load> waiting;
  std::map<std::string, Load> bounds;
  for (const engine::QueueView& queue : engine.ListQueues("", SIZE_MAX, NowMs())) {
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
  const auto survives = [&](Durability level) {
    return level == Durability::kSynced || (level == Durability::kWritten && !power);
  };
  // What is left of what was promised: the next run's service time may begin a little earlier.
  for (auto& [token, lease] : leases_) {
    for (const auto& [call, extension] : lease.extensions) {
      lease.promised_until_ms = std::min(lease.promised_until_ms, extension.until_ms);
    }
    lease.extensions.clear();
    if (!lease.extended) continue;
    lease.promised_until_ms -= ListenedMs();
    // An extension is as safe as its task.
    const Ledger::Task* const task = live_.Find(lease.task);
    if (task == nullptr || !survives(task->row.spec.durability)) {
      lease.promised_until_ms = INT64_MIN / 2;
    }
  }
  const Ledger before = std::exchange(live_, durable_);
  std::erase_if(acknowledged_, [&](const auto& entry) {
    if (durable_.Find(entry.first) != nullptr) return false;
    Expect(!survives(entry.second), Promise::kNeverLost,
           absl::StrCat(entry.first.ToString(), " was acknowledged, and is lost"));
    return true;
  });
  std::erase_if(told_, [&](const auto& entry) {
    const Ledger::Task* task = durable_.Find(entry.first);
    if (task != nullptr && task->finished) return false;
    const Durability level = before.Find(entry.first)->row.spec.durability;
    Expect(!survives(level), Promise::kNeverLost,
           absl::StrCat("the outcome of ", entry.first.ToString(), " was told, and is lost"));
    return true;
  });
  std::erase_if(keys_,
                [&](const auto& entry) { return durable_.Find(entry.second.task) == nullptr; });
  asking_.clear();
  sessions_.clear();
  opening_.clear();
  reporting_.clear();
  asked_too_early_.clear();
  waiting_.clear();
  workers_.clear();
  streams_.clear();
  attaching_.clear();
  reports_.clear();
  reports_at_hand_.clear();
  refused_.clear();
  purged_.clear();
  ends_.clear();
  resumes_asked_.clear();
  served_at_ms_.clear();
  paused_at_ms_.clear();
  waits_since_.clear();
  granted_.clear();
  waited_.clear();
  accepted_into_.clear();
  left_from_.clear();
}

void Oracle::StoreLost(bool restored) {
  ++counts_.stores_lost;
  // Which length an older store has for a lease that was extended since nobody promised.
  for (auto& [token, lease] : leases_) lease.promised_until_ms = 0;
  live_ = durable_ = restored ? backup_ : Ledger();
  // An older store knows of no later extension, and may have had shorter ones.
  for (auto& [token, lease] : leases_) {
    if (lease.extended) lease.promised_until_ms = INT64_MIN / 2;
  }
  std::erase_if(acknowledged_,
                [&](const auto& entry) { return durable_.Find(entry.first) == nullptr; });
  std::erase_if(told_, [&](const auto& entry) {
    const Ledger::Task* task = durable_.Find(entry.first);
    return task == nullptr || !task->finished;
  });
  std::erase_if(keys_,
                [&](const auto& entry) { return durable_.Find(entry.second.task) == nullptr; });
}

void Oracle::Starting(engine::Incarnation incarnation, const Clock& clock) {
  clock_ = &clock;
  started_at_ms_ = listened_at_ms_ = NowMs();
  started_listened_ms_ = ListenedMs();
  stalls_ = explained_ms_ = 0;
  heard_at_ms_.clear();  // every lease lives for its length from now
  // Tokens grow over all lives as long as the clock does not go back; each is given once even then.
  const uint64_t first = static_cast<uint64_t>(incarnation);
  last_token_of_earlier_runs_ = first > highest_incarnation_ ? last_token_released_ : 0;
  highest_incarnation_ = std::max(highest_incarnation_, first);
  for (auto& [token, lease] : leases_) {
    // What was promised last holds over the restart.
    lease.until_ms = started_listened_ms_ + lease.lease_ms;
    if (lease.extended) {
      lease.promised_until_ms += started_listened_ms_;
      lease.until_ms = lease.promised_until_ms;
    }
    lease.told_started_at_ms = lease.worker.empty() ? lease.told_started_at_ms : INT64_MAX;
  }
}

void Oracle::Recovered(const engine::Engine& engine) {
  latest_wall_ms_ = std::max(latest_wall_ms_, clock_->WallMs());
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
  stores_lost += other.stores_lost;
  thieves += other.thieves;
  reports_repeated += other.reports_repeated;
  runs_leased += other.runs_leased;
  runs_reported += other.runs_reported;
  runs_told += other.runs_told;
  moved += other.moved;
  letters += other.letters;
  letters_dropped += other.letters_dropped;
  letters_redriven += other.letters_redriven;
  jobs_done += other.jobs_done;
  circuits_opened += other.circuits_opened;
  unserved += other.unserved;
  quarantines += other.quarantines;
  output_read += other.output_read;
  stalls += other.stalls;
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
      " taken back; reports: ", reports_refused, " refused, ", reports_repeated,
      " repeated; ends: ", of(TaskState::kSucceeded), " succeeded, ", of(TaskState::kFailed),
      " failed, ", of(TaskState::kCancelled), " cancelled, ", of(TaskState::kExpired),
      " expired; outcomes told: ", outcomes, ", unknown: ", unknown,
      "; several at once: ", runs_leased, " leases, ", runs_reported, " reports, ", runs_told,
      " outcomes; moved out of their run's row: ", moved, "; dead letters: ", letters,
      ", dropped: ", letters_dropped, ", submitted again: ", letters_redriven,
      "; jobs done: ", jobs_done, "; circuits opened: ", circuits_opened,
      "; not served in time: ", unserved, "; quarantines: ", quarantines,
      "; progress seen: ", progress, "; output read: ", output_read, "; broker crashes: ", crashes,
      ", stores lost: ", stores_lost, "; sessions not given to strangers: ", thieves);
}

std::string ResultOf(TaskId task, engine::Token token) {
  return absl::StrCat(task.ToString(), " by ", static_cast<uint64_t>(token));
}

}  // namespace treadle::sim
