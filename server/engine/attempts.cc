#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "server/engine/history.h"
#include "server/engine/lifecycle.h"
#include "server/engine/retry.h"

// The part of Lifecycle that deals with leases and attempts: who is to blame, and what comes next.

namespace treadle::engine {

void Lifecycle::Lend(Task& task, Taker& taker) {
  LeaveWaiting(task);
  task.queue().times->queueing.Add(s_.now_ms - task.waits_since_ms, task.count);
  Holder& holder = taker.holder;
  task.state = TaskState::kRunning;
  task.queue().running += task.count;
  task.lease = std::make_unique<LiveLease>(task);
  task.lease->pool = taker.pool;
  task.lease->worker = holder.worker;
  taker.credit -= static_cast<int32_t>(task.count);
  if (holder.given.empty()) s_.given.push_back(&holder);
  holder.given.push_back(task.lease.get());
  if (Poll* const poll = holder.poll) {
    ++task.line->unary_leases;
    poll->given_bytes += task.payload_bytes;
    if (poll->given_bytes >= static_cast<uint64_t>(s_.options.poll_bytes_max)) taker.credit = 0;
  }
  if (Worker* const worker = holder.worker) {
    if (worker->lease_count == 0) BeginLeases(*worker);
    worker->leases.PushBack(*task.lease);
    worker->lease_count += task.count;
    worker->leased_bytes += task.payload_bytes;
    worker->pools[static_cast<size_t>(taker.pool)]->leased += static_cast<int32_t>(task.count);
    UpdateBlocked(*worker);
  }
}

// It need not have said anything while it held nothing: its time begins now.
void Lifecycle::BeginLeases(Worker& worker) {
  worker.heard_listened_ms = s_.ListenedMs();
  if (s_.timers.DueOf(worker) != kNever) return;  // which then sees whether that was too early
  s_.timers.Set(worker, s_.WhenListened(worker.heard_listened_ms) + s_.options.lease_ms);
}

void Lifecycle::Restore(Task& task, Grant& grant, Token token, Worker* worker, int64_t now_ms) {
  task.state = TaskState::kRunning;
  task.queue().running += task.count;
  task.lease = std::make_unique<LiveLease>(task);
  LiveLease& lease = *task.lease;
  lease.token = token;
  lease.grant = &grant;
  grant.live += task.count;
  s_.grants.Put(lease);
  lease.pool = -1;
  lease.worker = worker;
  if (worker != nullptr) {
    worker->leases.PushBack(lease);
    worker->lease_count += task.count;
    worker->leased_bytes += task.payload_bytes;
  } else {
    ++task.line->unary_leases;
    lease.started = true;
    lease.started_at_ms = grant.granted_at_ms;
    lease.expires_listened_ms = now_ms - s_.deaf_ms + grant.lease_ms;
  }
}

void Lifecycle::UpdateBlocked(Worker& worker) {
  const bool blocked =
      worker.lease_count > 0 &&
      worker.leased_bytes >= static_cast<uint64_t>(s_.options.worker_inflight_bytes_max);
  if (blocked == worker.blocked) return;
  worker.blocked = blocked;
  for (const auto& pool : worker.pools) {
    pool->taker.blocked = blocked;
    s_.matching.BecameAble(pool->taker);
  }
}

void Lifecycle::MarkStarted(Turn& turn, Task& task) {
  LiveLease& lease = *task.lease;
  if (lease.started) return;
  lease.started = true;
  lease.started_at_ms = turn.now_ms();
  Worker* const worker = lease.worker;
  if (worker != nullptr && worker->call != CallId{} && lease.pool >= 0) {
    ++worker->pools[static_cast<size_t>(lease.pool)]->running;
  }
  Retime(task);
}

// The worker's own report of a timeout says more than ours: it gets some time to arrive.
int64_t Lifecycle::TimeoutDue(const Task& task) const {
  const LiveLease& lease = *task.lease;
  if (task.attempt_timeout_ms == 0 || !lease.started || lease.timed_out) return kNever;
  return lease.started_at_ms + task.attempt_timeout_ms + s_.options.attempt_timeout_grace_ms;
}

StopReason StopOf(const Task& task, int64_t now_ms) {
  if (task.cancel_requested) return StopReason::kCancelled;
  const LiveLease* const lease = task.lease.get();
  if (lease == nullptr) return StopReason::kNone;
  const bool unary_over = lease->worker == nullptr && task.attempt_timeout_ms > 0 &&
                          lease->started_at_ms + task.attempt_timeout_ms <= now_ms;
  return lease->timed_out || unary_over ? StopReason::kAttemptTimeout : StopReason::kNone;
}

void Lifecycle::RestoreLength(Task& task, int64_t lease_ms) {
  task.lease->stored_lease_ms = lease_ms;
  task.lease->expires_listened_ms = s_.ListenedMs() + lease_ms;
}

// A restart gives every lease its stored length from then on. So what is shorter needs no row; and
// who extends by the same length again and again, as most do, costs none, or one.
Durability Lifecycle::Extend(Turn& turn, Task& task, int64_t lease_ms) {
  LiveLease& lease = *task.lease;
  lease.expires_listened_ms = s_.ListenedMs() + lease_ms;
  Retime(task);
  int64_t& stored_ms = lease.stored_lease_ms;
  const int64_t restart_gives_ms = stored_ms != 0 ? stored_ms : lease.grant->lease_ms;
  if (lease_ms > restart_gives_ms || lease_ms < restart_gives_ms / 2) {
    stored_ms = lease_ms;
    task.RunNotBefore(0);  // it was waited for
    PutAttempt(turn, task);
  }
  return stored_ms != 0 ? OutcomeDurability(task.durability) : Durability::kMemory;
}

void Lifecycle::CountAttempt(const Task& task, int64_t now_ms) {
  const LiveLease& lease = *task.lease;
  const int64_t begun_ms = lease.started ? lease.started_at_ms : lease.grant->granted_at_ms;
  task.queue().times->running.Add(now_ms - begun_ms, task.count);
}

Lifecycle::EndedLease Lifecycle::EndLease(Turn& turn, Task& task) {
  LiveLease& lease = *task.lease;
  Grant& grant = *lease.grant;
  const bool started = lease.started;
  EndedLease ended{grant.worker_name, s_.Shown(grant.granted_at_ms),
                   started ? s_.Shown(lease.started_at_ms) : 0};
  s_.grants.Drop(lease);
  grant.live -= task.count;
  if (grant.live == 0) {
    turn.Erase(GrantKey{grant.id});
    s_.grants.Erase(grant);
  }
  task.last_token = lease.token;
  task.queue().running -= task.count;
  Worker* const worker = lease.worker;
  const int32_t pool_index = lease.pool;
  task.lease.reset();
  if (worker == nullptr) {
    s_.matching.EndUnaryLease(*task.line, turn.now_ms());
    return ended;
  }
  worker->lease_count -= task.count;
  worker->leased_bytes -= task.payload_bytes;
  if (worker->call != CallId{}) {
    if (pool_index >= 0) {
      Pool& pool = *worker->pools[static_cast<size_t>(pool_index)];
      pool.leased -= static_cast<int32_t>(task.count);
      if (started) --pool.running;
    }
    UpdateBlocked(*worker);
  } else if (worker->lease_count == 0) {
    s_.holders.RetireLater(*worker);
  }
  return ended;
}

void Lifecycle::PutAttempt(Turn& turn, Task& task) {
  task.has_attempt_row = true;
  AttemptRow row;
  row.id = task.id;
  row.attempts_spent = task.attempts_spent;
  row.last_token = task.last_token;
  row.run_at_ms = task.run_at_ms;
  row.lease_ms = task.lease == nullptr ? 0 : task.lease->stored_lease_ms;
  row.losses = task.losses;
  row.returns = task.returns;
  row.cancel_requested = task.cancel_requested;
  row.suspect = task.suspect;
  if (task.extras) {
    row.cancel_reason = task.extras->cancel_reason;
    row.failed = task.extras->failed;
  }
  turn.Put(std::move(row));
}

void Lifecycle::StopHolder(Turn& turn, const Task& task, StopReason reason) {
  const Worker* const worker = task.lease->worker;
  if (worker == nullptr || worker->call == CallId{}) return;
  turn.Say(kStopDurability, StopAttempt{worker->call, task.lease->token, reason});
}

void Lifecycle::Requeue(Turn& turn, Task& task) {
  PutAttempt(turn, task);
  Enter(task, turn.now_ms());
  Changed(turn, task);
}

void Lifecycle::Succeed(Turn& turn, Task& task, BodyPart body, std::vector<uint32_t> result_sizes) {
  Worker* const worker = task.lease->worker;
  if (worker != nullptr) worker->succeeded_total += task.count;
  quarantines_.Succeeded(*task.line, worker, task.count);
  pauses_.Succeeded(task.queue(), task.count);
  CountAttempt(task, turn.now_ms());
  EndedLease attempt = EndLease(turn, task);
  Finish(turn, task,
         {.state = TaskState::kSucceeded,
          .attempts = task.attempts_spent + 1,
          .attempt = std::move(attempt),
          .body = std::move(body),
          .result_sizes = std::move(result_sizes)});
}

void Lifecycle::Fail(Turn& turn, Task& task, TaskError error, BodyPart body) {
  task.suspect = false;
  EndFailedAttempt(turn, task, std::move(error), Pace::kBackoff, std::move(body));
}

void Lifecycle::StoppedByItself(Turn& turn, Task& task) {
  TaskError error;
  const LiveLease& lease = *task.lease;
  if (task.attempt_timeout_ms > 0 && lease.started &&
      lease.started_at_ms + task.attempt_timeout_ms <= turn.now_ms()) {
    error.type = "AttemptTimeout";
    error.message = absl::StrCat("the attempt was stopped after its timeout of ",
                                 task.attempt_timeout_ms, " ms");
  } else {
    error.type = "Stopped";
    error.message = "the handler stopped though nobody had asked it to";
  }
  Fail(turn, task, std::move(error));
}

TaskError Lifecycle::TimeoutError(const Task& task) const {
  TaskError error;
  error.type = "AttemptTimeout";
  error.message = absl::StrCat("the attempt did not end within its timeout of ",
                               task.attempt_timeout_ms, " ms");
  return error;
}

// Another attempt must not begin while this one may still run. A worker is told to stop, and says
// when it has, or is lost. Nobody can tell a unary holder: its lease ends here, as it was told
// when it was given.
void Lifecycle::TimeOut(Turn& turn, Task& task) {
  if (task.lease->worker == nullptr) return Fail(turn, task, TimeoutError(task));
  task.lease->timed_out = true;
  if (!task.cancel_requested) StopHolder(turn, task, StopReason::kAttemptTimeout);
  Retime(task);
  Changed(turn, task);
}

// A worker that takes a task and gives it back, without having begun, again and again, is made to
// wait. (A unary lease counts as begun: locks are tasks that are leased and released all the time.)
void Lifecycle::GiveBack(Turn& turn, Task& task) {
  const bool begun = task.lease->started;
  EndedLease attempt = EndLease(turn, task);
  if (task.cancel_requested) {
    return Finish(turn, task, {TaskState::kCancelled, task.attempts_spent, std::move(attempt)});
  }
  if (!begun && task.returns < UINT8_MAX) ++task.returns;
  const int64_t wait_ms = begun ? 0 : ReturnBackoffMs(task.returns);
  task.RunNotBefore(wait_ms == 0 ? 0 : turn.now_ms() + wait_ms);
  Requeue(turn, task);
}

void Lifecycle::LoseLease(Turn& turn, Task& task) {
  const bool started = task.lease->started;
  if (task.cancel_requested) {
    const int32_t attempts = task.attempts_spent + (started ? 1 : 0);
    return Finish(turn, task, {TaskState::kCancelled, attempts, EndLease(turn, task)});
  }
  // Starts are told lazily, so the next attempt must confirm its start before it runs: then a task
  // that kills its worker again is caught.
  task.suspect = true;
  if (task.lease->timed_out) {
    TaskError error = TimeoutError(task);
    absl::StrAppend(&error.message, ", and its worker was lost before it had ended");
    return EndFailedAttempt(turn, task, std::move(error), Pace::kBackoff);
  }
  // Not every worker tells what it starts. One loss is no proof, so many are taken for one attempt.
  if (!started && task.losses + 1 < s_.options.unexplained_losses_max) {
    ++task.losses;
    EndLease(turn, task);
    task.RunNotBefore(0);
    return Requeue(turn, task);
  }
  const std::string worker = absl::StrCat("worker '", *task.lease->grant->worker_name, "'");
  TaskError error;
  error.type = "WorkerLost";
  error.message =
      started ? absl::StrCat(worker, " was lost while it ran the task: its lease of ",
                             task.lease->grant->lease_ms, " ms expired")
              : absl::StrCat(worker, " was lost with the task, as ", task.losses,
                             " before it, and none of them had told whether it began to run");
  EndFailedAttempt(turn, task, std::move(error), Pace::kAtOnce);
}

// The details of an error that is tried again go with it.
void Lifecycle::EndFailedAttempt(Turn& turn, Task& task, TaskError error, Pace pace,
                                 BodyPart body) {
  error.worker = *task.lease->grant->worker_name;
  error.attempt = task.attempts_spent + 1;
  Worker* const worker = task.lease->worker;
  if (worker != nullptr) ++worker->failed_total;
  if (!task.cancel_requested) {
    pauses_.Failed(turn, task.queue(), error);
    quarantines_.Failed(turn, *task.line, worker, task.lease->grant->granted_at_ms, error);
  }
  CountAttempt(task, turn.now_ms());
  EndedLease attempt = EndLease(turn, task);
  ++task.attempts_spent;
  task.losses = task.returns = 0;
  AddTo(task.Extras().failed, {error, s_.Shown(task.waits_since_ms), attempt.leased_at_ms,
                               attempt.started_at_ms, s_.Shown(turn.now_ms())});
  if (task.cancel_requested) {
    return Finish(turn, task, {TaskState::kCancelled, task.attempts_spent, std::move(attempt)});
  }
  const RetryPolicy& policy = PolicyOrDefault(task.retry);
  if (task.attempts_spent >= task.max_attempts || !MayRetry(policy, error)) {
    return Finish(turn, task,
                  {.state = TaskState::kFailed,
                   .attempts = task.attempts_spent,
                   .attempt = std::move(attempt),
                   .error = std::move(error),
                   .body = std::move(body)});
  }
  ++task.queue().totals.retried;
  const int64_t wait_ms =
      error.retry_after_ms.value_or(BackoffMs(policy, task.id, task.attempts_spent));
  task.RunNotBefore(pace == Pace::kAtOnce ? 0 : turn.now_ms() + wait_ms);
  Requeue(turn, task);
}

}  // namespace treadle::engine
