#include "server/engine/attachments.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"

#include "proto/support/assert.h"
#include "server/engine/refusals.h"

namespace treadle::engine {
namespace {

// What waiting for names costs, about: a name that is no queue yet is kept like one, and each type
// has a place at each queue where there are tasks of it.
constexpr int64_t kNameBytes = 1'200;
constexpr int64_t kPlaceBytes = 64;

int64_t WeightOf(const std::vector<std::string>& queues, const std::vector<std::string>& types) {
  int64_t bytes = 0;
  for (const std::string& name : queues) bytes += kNameBytes + static_cast<int64_t>(name.size());
  for (const std::string& type : types) {
    bytes += static_cast<int64_t>(sizeof(type) + type.size());
  }
  return bytes + static_cast<int64_t>(queues.size() * types.size()) * kPlaceBytes;
}

int64_t WeightOf(const AttachWorker& attach) {
  int64_t bytes = 0;
  for (const PoolSpec& pool : attach.pools) bytes += WeightOf(attach.queues, pool.types);
  for (const auto& [key, value] : attach.labels) {
    bytes += static_cast<int64_t>(sizeof(key) + sizeof(value) + key.size() + value.size());
  }
  return bytes;
}

}  // namespace

absl::Status Attachments::CheckWeight(Origin origin, int64_t bytes) const {
  const Shares& shares = s_.taker_shares;
  if (shares.IsFull(bytes)) return refusal::TooManyNames(shares.max());
  if (shares.IsGreedy(origin, bytes)) {
    return refusal::TooLargeAShare("bytes of names that workers wait for", "--worker-names-max",
                                   shares.max());
  }
  return absl::OkStatus();
}

void Attachments::PutOn(Holder& holder, Origin origin, int64_t bytes) {
  holder.origin = origin;
  holder.weight = bytes;
  s_.taker_shares.Take(origin, bytes);
}

void Attachments::PutDown(Holder& holder) {
  s_.taker_shares.Return(holder.origin, std::exchange(holder.weight, 0));
}

void Attachments::Apply(Turn& turn, AttachWorker&& attach) {
  if (const Call* const call = s_.calls.Find(attach.call);
      call != nullptr && (call->session != nullptr || call->worker != nullptr)) {
    turn.Say(Durability::kMemory, EndCall{attach.call, refusal::AlreadyOpened()});
    return;
  }
  Worker* worker = s_.holders.FindWorker(attach.worker_id);
  const int64_t weight = WeightOf(attach);
  if (absl::Status s = CheckWeight(attach.origin, weight - (worker ? worker->weight : 0));
      !s.ok()) {
    turn.Say(Durability::kMemory, WorkerAttached{attach.call, std::move(s)});
    return;
  }
  if (worker == nullptr) {
    if (static_cast<int64_t>(s_.holders.workers().size()) >= s_.options.workers_max) {
      turn.Say(Durability::kMemory,
               WorkerAttached{attach.call, refusal::TooManyWorkers(s_.options.workers_max)});
      return;
    }
    worker = &s_.holders.AddWorker(attach.worker_id);
  } else if (worker->call != CallId{}) {
    EndStream(turn, *worker, refusal::WorkerTakenOver(worker->id));
  }
  PutOn(*worker, attach.origin, weight);
  const CallId call = attach.call;
  const std::vector<Token> held = std::move(attach.held_tokens);
  SetUp(*worker, std::move(attach), turn.now_ms());
  quarantines_.Follow(turn, *worker);
  std::vector<Token> revoked = Reconcile(turn, *worker, held);
  // The welcome waits for nothing: should a crash forget what it rests on, the worker attaches
  // again and is told anew.
  turn.Say(Durability::kMemory, WorkerAttached{call, absl::OkStatus(), std::move(revoked)});
  if (!worker->drains.empty()) turn.Say(Durability::kMemory, DrainAsked{call});
  for (const LiveLease& lease : worker->leases) {
    const StopReason stop = StopOf(lease.task, turn.now_ms());
    if (stop == StopReason::kNone) continue;
    turn.Say(kStopDurability, StopAttempt{call, lease.token, stop});
  }
}

void Attachments::SetUp(Worker& worker, AttachWorker&& attach, int64_t now_ms) {
  worker.call = attach.call;
  s_.calls.Obtain(attach.call).worker = &worker;
  worker.name = std::make_shared<const std::string>(std::move(attach.worker_name));
  worker.peer = std::move(attach.peer);
  worker.labels = std::move(attach.labels);
  worker.queues = std::move(attach.queues);
  drains_.Follow(worker);
  worker.draining = !worker.drains.empty();
  worker.attached_at_ms = now_ms;
  worker.heard_listened_ms = s_.ListenedMs();
  worker.report_durability = Durability::kMemory;
  for (size_t i = 0; i < attach.pools.size(); ++i) {
    auto pool = std::make_unique<Pool>(worker);
    pool->spec = std::move(attach.pools[i]);
    pool->taker.pool = static_cast<int32_t>(i);
    pool->taker.types = pool->spec.types;
    std::sort(pool->taker.types.begin(), pool->taker.types.end());
    pool->taker.types.erase(std::unique(pool->taker.types.begin(), pool->taker.types.end()),
                            pool->taker.types.end());
    pool->taker.retired = worker.draining;
    JoinQueues(pool->taker, worker.queues);
    worker.pools.push_back(std::move(pool));
  }
  AssignPools(worker);
  lifecycle_.UpdateBlocked(worker);
  if (worker.lease_count > 0) s_.timers.Set(worker, now_ms + s_.options.lease_ms);
}

// Leases from an earlier stream, or from before a restart, are shown in the first pool that takes
// their type.
void Attachments::AssignPools(Worker& worker) {
  for (LiveLease& lease : worker.leases) {
    const auto fits = std::find_if(
        worker.pools.begin(), worker.pools.end(),
        [&lease](const auto& pool) { return pool->taker.Takes(*lease.task.line->type); });
    lease.pool =
        fits == worker.pools.end() ? -1 : static_cast<int32_t>(fits - worker.pools.begin());
    if (lease.pool < 0) continue;
    (*fits)->leased += static_cast<int32_t>(lease.task.count);
    if (lease.started) ++(*fits)->running;
  }
}

std::vector<Token> Attachments::Reconcile(Turn& turn, Worker& worker,
                                          const std::vector<Token>& held) {
  std::vector<Token> revoked;
  absl::flat_hash_set<Token> valid;
  for (const Token token : held) {
    const Task* const task = s_.grants.Find(token);
    if (task != nullptr && task->lease->worker == &worker) {
      valid.insert(token);
    } else {
      revoked.push_back(token);
    }
  }
  // What it does not hold never arrived there, or was reported: taken back without blame.
  for (auto lease = worker.leases.begin(); lease != worker.leases.end();) {
    const LiveLease& current = *lease;
    uint32_t held_count = 0;
    while (held_count < current.task.count && valid.contains(current.TokenOf(held_count))) {
      ++held_count;
    }
    Task& first = lifecycle_.PartFirst(current.task, std::max(1u, held_count));
    ++lease;  // at the others of the run, if there are any
    if (held_count == 0) lifecycle_.GiveBack(turn, first);
  }
  return revoked;
}

void Attachments::JoinQueues(Taker& taker, const std::vector<std::string>& names) {
  std::vector<Queue*> queues;
  absl::flat_hash_set<const Queue*> seen;
  for (const std::string& name : names) {
    Queue& queue = s_.queues.Obtain(name);
    if (seen.insert(&queue).second) queues.push_back(&queue);
  }
  s_.matching.Join(taker, queues, s_.now_ms);
}

void Attachments::LeaveQueues(Taker& taker) {
  std::vector<Queue*> queues;
  for (const auto& subscription : taker.subscriptions) queues.push_back(&subscription->queue);
  s_.matching.Leave(taker, s_.now_ms);
  for (Queue* const queue : queues) s_.queues.Release(*queue);
}

void Attachments::Apply(Turn&, const Heartbeat& heartbeat) {
  // The timer follows when it fires: a heartbeat costs no more than this.
  if (Worker* const worker = s_.calls.WorkerOf(heartbeat.call)) {
    worker->heard_listened_ms = s_.ListenedMs();
  }
}

void Attachments::Apply(Turn& turn, const AddCredit& credit) {
  Worker* const worker = s_.calls.WorkerOf(credit.call);
  if (worker == nullptr) return;
  const int32_t credit_max = s_.options.credit_max;
  if (credit.pool < 0 || static_cast<size_t>(credit.pool) >= worker->pools.size()) {
    return EndStream(turn, *worker, refusal::NoSuchPool(credit.pool, worker->pools.size()));
  }
  if (credit.tasks < 1 || credit.tasks > credit_max) {
    return EndStream(turn, *worker, refusal::BadCredit(credit.tasks, credit_max));
  }
  if (worker->draining) return;
  Taker& taker = worker->pools[static_cast<size_t>(credit.pool)]->taker;
  const int64_t unused = int64_t{taker.credit} + credit.tasks;
  if (unused > credit_max) {
    return EndStream(turn, *worker, refusal::TooMuchCredit(credit.pool, unused, credit_max));
  }
  taker.credit = static_cast<int32_t>(unused);
  s_.matching.BecameAble(taker);
}

void Attachments::Apply(Turn& turn, const DrainWorker& drain) {
  Worker* const worker = s_.calls.WorkerOf(drain.call);
  if (worker == nullptr) return;
  worker->TakeNoMore(s_.matching, turn.now_ms());
  s_.fewer_serve = true;
}

void Attachments::EndStream(Turn& turn, Worker& worker, const absl::Status& status) {
  turn.Say(Durability::kMemory, EndCall{worker.call, status});
  Detach(worker);
}

void Attachments::Detach(Worker& worker) {
  s_.calls.Find(worker.call)->worker = nullptr;
  s_.calls.Release(worker.call);
  worker.call = CallId{};
  worker.peer.clear();
  for (const auto& pool : worker.pools) LeaveQueues(pool->taker);
  PutDown(worker);
  worker.pools.clear();
  worker.blocked = false;
  s_.fewer_serve = true;
  if (worker.lease_count == 0) s_.holders.RetireLater(worker);
}

Worker& Attachments::AddKnown(const std::string& worker_id, const Name& name, int64_t now_ms) {
  Worker* worker = s_.holders.FindWorker(worker_id);
  if (worker == nullptr) worker = &s_.holders.AddWorker(worker_id);
  worker->name = name;
  drains_.Follow(*worker);
  worker->draining = !worker->drains.empty();
  worker->attached_at_ms = now_ms;
  worker->heard_listened_ms = now_ms - s_.deaf_ms;
  s_.timers.Set(*worker, now_ms + s_.options.lease_ms);
  return *worker;
}

void Attachments::Due(Turn& turn, Worker& worker, int64_t due_ms) {
  const int64_t expires = s_.WhenHeard(worker.heard_listened_ms + s_.options.lease_ms);
  if (expires > due_ms) return s_.timers.Set(worker, expires);
  if (worker.lease_count == 0) return;  // its silence costs nobody anything
  if (worker.call != CallId{}) {
    EndStream(turn, worker, refusal::WorkerSilent(s_.options.lease_ms));
  }
  while (!worker.leases.empty()) {
    lifecycle_.LoseLease(turn, lifecycle_.PartFirst(worker.leases.front().task));
  }
}

void Attachments::RetireIdle() {
  for (Worker* const worker : s_.holders.TakeRetiring()) {
    worker->retiring = false;
    if (worker->call != CallId{} || worker->lease_count > 0) continue;
    s_.timers.Clear(*worker);
    drains_.Forget(*worker);
    quarantines_.Forget(*worker);
    s_.holders.EraseWorker(*worker);
  }
}

void Attachments::Apply(Turn& turn, const PollTasks& command) {
  if (static_cast<int64_t>(s_.holders.poll_count()) >= s_.options.polls_max) {
    turn.Say(Durability::kMemory,
             EndCall{command.call, refusal::TooManyPolls(s_.options.polls_max)});
    return;
  }
  const int64_t weight = WeightOf(command.queues, command.types);
  if (absl::Status s = CheckWeight(command.origin, weight); !s.ok()) {
    turn.Say(Durability::kMemory, EndCall{command.call, std::move(s)});
    return;
  }
  Call& call = s_.calls.Obtain(command.call);
  TREADLE_ASSERT(call.poll == nullptr);
  Poll& poll = s_.holders.AddPoll(command.call);
  call.poll = &poll;
  PutOn(poll, command.origin, weight);
  poll.name = std::make_shared<const std::string>(command.worker_name);
  poll.since_ms = turn.now_ms();
  poll.lease_ms = command.lease_ms;
  poll.taker.types = command.types;
  std::sort(poll.taker.types.begin(), poll.taker.types.end());
  poll.taker.types.erase(std::unique(poll.taker.types.begin(), poll.taker.types.end()),
                         poll.taker.types.end());
  poll.taker.credit = command.max_tasks;
  JoinQueues(poll.taker, command.queues);
  s_.timers.Set(poll, turn.now_ms() + command.wait_ms);
}

void Attachments::EndPoll(Poll& poll) {
  s_.timers.Clear(poll);
  LeaveQueues(poll.taker);
  PutDown(poll);
  s_.calls.Find(poll.call)->poll = nullptr;
  s_.calls.Release(poll.call);
  s_.holders.ErasePoll(poll);
}

}  // namespace treadle::engine
