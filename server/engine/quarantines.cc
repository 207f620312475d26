#include "server/engine/quarantines.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "server/engine/history.h"
#include "server/engine/refusals.h"

namespace treadle::engine {
namespace {

using Failures = WorkerHealth::Failures;

bool IsQuarantined(const Worker& worker) {
  return worker.health != nullptr && worker.health->quarantine.has_value();
}

// It takes tasks, when it has slots for them.
bool Serves(const Worker& worker) { return !worker.draining && !IsQuarantined(worker); }

int64_t SucceededOf(const Failures& failures) {
  return failures.score->succeeded - failures.before.succeeded;
}

// None of the successes is the worker's own: it would have ended its failures.
bool OthersSucceed(const Failures& failures) {
  return SucceededOf(failures) >= failures.score->failed - failures.before.failed;
}

// Somebody takes tasks of this line, and not only this one.
bool IsServed(const Line& line, const Worker* but) {
  const auto serves = [but](const Taker& taker) {
    const Worker* const worker = taker.holder.worker;
    return worker != nullptr && worker != but && Serves(*worker);
  };
  for (const Subscription& one : line.queue.of_every) {
    if (serves(one.taker)) return true;
  }
  for (const Seat& seat : line.seats) {
    if (serves(seat.taker)) return true;
  }
  return false;
}

// Nobody else serves some line with unfinished tasks.
bool IsNeeded(const Worker& worker) {
  for (const auto& pool : worker.pools) {
    const Taker& taker = pool->taker;
    for (const auto& subscription : taker.subscriptions) {
      for (const auto& [type, line] : subscription->queue.lines) {
        if (line->unfinished > 0 && taker.Takes(type) && !IsServed(*line, &worker)) return true;
      }
    }
  }
  return false;
}

}  // namespace

void Quarantines::Succeeded(Line& line, const Worker* worker, uint32_t attempts) {
  line.score->succeeded += attempts;
  if (worker != nullptr && worker->health != nullptr) worker->health->failures.clear();
}

void Quarantines::Failed(Turn& turn, const Line& line, Worker* worker, int64_t granted_at_ms,
                         const TaskError& error) {
  const int64_t after = s_.options.quarantine_after;
  if (after == 0) return;
  if (worker == nullptr) {
    ++line.score->failed;
    return;
  }
  if (worker->health == nullptr) worker->health = &s_.healths.Obtain(worker->id);
  WorkerHealth& health = *worker->health;
  auto failures = std::find_if(health.failures.begin(), health.failures.end(),
                               [&line](const Failures& one) { return one.score == line.score; });
  if (failures == health.failures.end()) {
    if (health.failures.size() == WorkerHealth::kFailuresMax) return;
    health.failures.push_back({line.score, *line.score, turn.now_ms()});
    failures = health.failures.end() - 1;
  } else if (granted_at_ms < failures->since_ms) {
    return;
  }
  if (++failures->failed <= (after + 1) / 2) ++line.score->failed;
  if (failures->blamed < std::max<int64_t>(1, 2 * SucceededOf(*failures))) ++failures->blamed;
  health.worker_name = worker->name;
  health.queue = line.queue.name;
  health.type = line.type;
  health.error = error;
  health.error.message = Cut(std::move(health.error.message), kLatestMessageBytes);
  Judge(turn, *worker);
}

void Quarantines::Judge(Turn& turn, Worker& worker) {
  if (worker.call == CallId{} || !Serves(worker)) return;
  WorkerHealth& health = *worker.health;
  int64_t blamed = 0;
  Quarantine quarantine;
  for (const Failures& one : health.failures) {
    if (!OthersSucceed(one)) continue;
    blamed += one.blamed;
    quarantine.failed += one.failed;
    quarantine.others_succeeded += SucceededOf(one);
  }
  if (blamed < s_.options.quarantine_after) return;
  if (IsNeeded(worker)) return health.failures.clear();
  quarantine.since_ms = s_.Shown(turn.now_ms());
  quarantine.queue = *health.queue;
  quarantine.type = *health.type;
  quarantine.error = health.error;
  turn.Say(Durability::kMemory, QuarantineNews{worker.id, worker.name, quarantine});
  s_.healths.Begin(health, std::move(quarantine));
  Hold(worker, true);
}

void Quarantines::Hold(const Worker& worker, bool quarantined) {
  for (const auto& pool : worker.pools) {
    pool->taker.quarantined = quarantined;
    s_.matching.BecameAble(pool->taker);
  }
}

void Quarantines::Release(WorkerHealth& health) {
  s_.healths.End(health);
  if (const Worker* const worker = s_.holders.FindWorker(health.worker_id)) Hold(*worker, false);
}

void Quarantines::LineUsed(const Line& line) {
  if (s_.healths.quarantined() > 0 && !IsServed(line, nullptr)) s_.fewer_serve = true;
}

void Quarantines::ReleaseNeeded(Turn& turn) {
  if (!std::exchange(s_.fewer_serve, false) || s_.healths.quarantined() == 0) return;
  for (const auto& [id, worker] : s_.holders.workers()) {
    if (!IsQuarantined(*worker) || worker->draining || !IsNeeded(*worker)) continue;
    turn.Say(Durability::kMemory, QuarantineNews{id, worker->name, *worker->health->quarantine,
                                                 /*needed=*/true});
    Release(*worker->health);
  }
}

void Quarantines::Follow(Turn& turn, Worker& worker) {
  worker.health = s_.healths.Find(worker.id);
  if (worker.health == nullptr) return;
  s_.healths.TakeBack(*worker.health);
  worker.health->worker_name = worker.name;
  if (!IsQuarantined(worker)) return Judge(turn, worker);
  Hold(worker, true);
  s_.fewer_serve = true;
}

void Quarantines::Forget(Worker& worker) {
  if (worker.health != nullptr) s_.healths.PutAside(*std::exchange(worker.health, nullptr));
}

std::vector<WorkerHealth*> Quarantines::Find(std::string_view worker) const {
  std::vector<WorkerHealth*> found;
  if (s_.healths.quarantined() == 0) return found;
  for (const auto& [id, health] : s_.healths.all()) {
    const bool matches = id == worker || *health->worker_name == worker;
    if (matches && health->quarantine.has_value()) found.push_back(health.get());
  }
  return found;
}

bool Quarantines::IsKnown(std::string_view worker) const {
  const HolderTable::Workers& all = s_.holders.workers();
  return std::any_of(all.begin(), all.end(), [worker](const auto& one) {
    return one.first == worker || *one.second->name == worker;
  });
}

void Quarantines::Apply(Turn& turn, const ReleaseWorker& command) {
  WorkersReleased released{command.call, absl::OkStatus()};
  for (WorkerHealth* const health : Find(command.worker)) {
    const Quarantine& quarantine = *health->quarantine;
    log_.Note(turn, command.by, ActionKind::kWorkerReleased, health->worker_id,
              absl::StrCat("worker '", *health->worker_name, "', of which ", quarantine.failed,
                           " attempts in a row had failed, the last with ", quarantine.error.type),
              command.reason);
    Release(*health);
    ++released.workers;
  }
  if (released.workers == 0) {
    released.status = IsKnown(command.worker) ? refusal::NotInQuarantine(command.worker)
                                              : refusal::NoSuchWorker(command.worker);
  }
  turn.Say(released.workers == 0 ? Durability::kMemory : Durability::kSynced, std::move(released));
}

void Quarantines::CheckNobodyNeeded() const {
  int64_t quarantined = 0;
  for (const auto& [id, health] : s_.healths.all()) {
    if (health->quarantine.has_value()) ++quarantined;
  }
  TREADLE_ASSERT(quarantined == s_.healths.quarantined());
  for (const auto& [id, worker] : s_.holders.workers()) {
    for (const auto& pool : worker->pools) {
      TREADLE_ASSERT(pool->taker.quarantined == IsQuarantined(*worker));
    }
    TREADLE_ASSERT(!IsQuarantined(*worker) || worker->draining || !IsNeeded(*worker));
  }
}

}  // namespace treadle::engine
