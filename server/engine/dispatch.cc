#include "server/engine/dispatch.h"

#include <algorithm>
#include <utility>

namespace treadle::engine {

void Dispatch::Run(Turn& turn) {
  while (const auto pair = s_.matching.Next()) {
    Task& task = lifecycle_.PartNext(pair->task);
    if (lifecycle_.DeadlineDue(task) <= turn.now_ms()) {
      lifecycle_.Expire(turn, task);
    } else {
      lifecycle_.Lend(task, pair->taker);
    }
    // Who waits for room comes in before the next task is chosen: it may be the one.
    admission_.ServeQueuesWithRoom(turn);
  }
  for (Holder* const holder : std::exchange(s_.given, {})) MakeGrant(turn, *holder);
}

void Dispatch::MakeGrant(Turn& turn, Holder& holder) {
  const std::vector<LiveLease*> given = std::exchange(holder.given, {});
  Grant made;
  made.id = GrantId{s_.NextGrant()};
  if (holder.worker != nullptr) made.worker_id = holder.worker->id;
  made.worker_name = holder.name;
  made.first_token = Token{s_.NextTokens(given.size())};
  made.granted_at_ms = turn.now_ms();
  made.lease_ms = holder.poll != nullptr ? holder.poll->lease_ms : s_.options.lease_ms;
  made.live = static_cast<int64_t>(given.size());
  made.tasks.reserve(given.size());
  for (const LiveLease* const lease : given) made.tasks.push_back(&lease->task);
  Grant& grant = s_.grants.Add(std::move(made));

  GrantRow row{grant.id,
               grant.worker_id,
               *grant.worker_name,
               grant.first_token,
               grant.granted_at_ms,
               grant.lease_ms,
               {}};
  row.tasks.reserve(given.size());
  Dispatched dispatched{holder.call, {}};
  if (holder.poll != nullptr) dispatched.waited_ms = turn.now_ms() - holder.poll->since_ms;
  dispatched.leases.reserve(given.size());
  Durability after = Durability::kMemory;
  for (size_t i = 0; i < given.size(); ++i) {
    LiveLease& lease = *given[i];
    Task& task = lease.task;
    lease.token = grant.TokenOf(i);
    lease.grant = &grant;
    if (holder.poll != nullptr) {
      lease.expires_listened_ms = s_.ListenedMs() + grant.lease_ms;
      lifecycle_.MarkStarted(turn, task);
    } else {
      lifecycle_.Retime(task);
    }
    row.tasks.push_back(task.id);
    dispatched.leases.push_back(LeaseOf(lease));
    const Durability safe = OutcomeDurability(task.durability);
    after = std::max(after, safe);
    if (task.watched) turn.Say(safe, TaskChanged{task.id});
  }
  turn.Put(std::move(row));
  turn.Say(after, std::move(dispatched));
  if (holder.poll != nullptr) attachments_.EndPoll(*holder.poll);
}

Lease Dispatch::LeaseOf(const LiveLease& live) const {
  const Task& task = live.task;
  Lease lease;
  lease.task = task.id;
  lease.row = task.row();
  lease.payload_bytes = task.payload_bytes;
  if (task.run != nullptr)
    lease.payload_begin = task.run->sizes.BeginOf(task.run->IndexOf(task.id));
  lease.token = live.token;
  lease.queue = task.queue().name;
  lease.type = task.line->type;
  lease.attempt = task.attempts_spent + 1;
  lease.max_attempts = task.max_attempts;
  lease.priority = task.priority;
  lease.pool = live.pool;
  lease.attempt_timeout_ms = task.attempt_timeout_ms;
  if (task.deadline_at_ms != 0) lease.deadline_at_ms = lifecycle_.DeadlineDue(task);
  if (live.worker == nullptr) lease.lease_ms = lifecycle_.UnaryLeaseEnd(task) - s_.now_ms;
  lease.confirm_start = task.suspect && live.worker != nullptr;
  return lease;
}

void Dispatch::AnswerDuePolls(Turn& turn) {
  for (const CallId id : std::exchange(s_.due_polls, {})) {
    const Call* const call = s_.calls.Find(id);
    if (call == nullptr || call->poll == nullptr) continue;  // answered with tasks meanwhile
    turn.Say(Durability::kMemory, Dispatched{id, {}});
    attachments_.EndPoll(*call->poll);
  }
}

}  // namespace treadle::engine
