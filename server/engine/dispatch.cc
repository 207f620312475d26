#include "server/engine/dispatch.h"

#include <algorithm>
#include <utility>

namespace treadle::engine {
namespace {

// Where tasks are shared out, in parts of what is there, each gets about as many as the others
// however few they are.
constexpr uint32_t kParts = 4;
// More takers than these are not counted.
constexpr uint32_t kTakersCounted = 32;

uint32_t PartOf(uint32_t tasks, uint32_t shares) {
  return shares <= 1 ? tasks : std::max(1u, tasks / (kParts * shares));
}

// Those who could take a task of this line, and what they may take together.
struct Takers {
  explicit Takers(const Line& line) {
    Count(line.queue.any_turn);
    Count(line.turn);
  }

  uint32_t count = 0;
  int64_t credit = 0;

 private:
  void Count(const List<Seat, TurnSeatTag>& seats) {
    for (const Seat& seat : seats) {
      if (count == kTakersCounted) return;
      if (!seat.taker.able()) continue;
      ++count;
      credit += seat.taker.credit;
    }
  }
};

// How many of the first `most` there are until they have `bytes`.
uint32_t Until(const Task& task, uint32_t most, uint64_t bytes) {
  const PayloadSizes& sizes = task.run->sizes;
  const uint32_t first = task.run->IndexOf(task.id);
  uint32_t tasks = 1;
  for (uint32_t above = most; tasks < above;) {
    const uint32_t middle = tasks + (above - tasks) / 2;
    if (sizes.Bytes(first, first + middle) >= bytes) {
      above = middle;
    } else {
      tasks = middle + 1;
    }
  }
  return tasks;
}

}  // namespace

void Dispatch::Run(Turn& turn) {
  while (const auto pair = s_.matching.Next()) {
    if (lifecycle_.DeadlineDue(pair->task) <= turn.now_ms()) {
      lifecycle_.Expire(turn, lifecycle_.PartNext(pair->task, 1));
    } else {
      lifecycle_.Lend(lifecycle_.PartNext(pair->task, Share(*pair)), pair->taker);
    }
    // Who waits for room comes in before the next task is chosen: it may be the one.
    admission_.ServeQueuesWithRoom(turn);
  }
  for (Holder* const holder : std::exchange(s_.given, {})) MakeGrant(turn, *holder);
}

// As if they were given out one by one: in the queue's order, each queue and each taker in its
// turn, nobody beyond his credit or his bytes, and whoever waits for room before those behind him.
uint32_t Dispatch::Share(const Matching::Pair& pair) const {
  const Task& task = pair.task;
  const Queue& queue = task.queue();
  const Worker* const worker = pair.taker.holder.worker;
  if (task.count == 1 || worker == nullptr || !queue.waiters.empty() ||
      queue.config.discipline == Discipline::kLifo) {
    return 1;
  }
  const auto credit = static_cast<uint32_t>(pair.taker.credit);
  uint32_t most = std::min(task.count, PartOf(credit, pair.queues));
  const Takers takers(*task.line);
  if (takers.credit > queue.queued) most = std::min(most, PartOf(task.count, takers.count));
  return Until(task, most,
               static_cast<uint64_t>(s_.options.worker_inflight_bytes_max) - worker->leased_bytes);
}

void Dispatch::MakeGrant(Turn& turn, Holder& holder) {
  const std::vector<LiveLease*> given = std::exchange(holder.given, {});
  Grant made;
  made.id = GrantId{s_.NextGrant()};
  if (holder.worker != nullptr) made.worker_id = holder.worker->id;
  made.worker_name = holder.name;
  for (const LiveLease* const lease : given) made.tokens += lease->task.count;
  made.first_token = Token{s_.NextTokens(made.tokens)};
  made.granted_at_ms = turn.now_ms();
  made.lease_ms = holder.poll != nullptr ? holder.poll->lease_ms : s_.options.lease_ms;
  made.live = static_cast<int64_t>(made.tokens);
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
  auto token = static_cast<uint64_t>(grant.first_token);
  for (LiveLease* const given_lease : given) {
    LiveLease& lease = *given_lease;
    Task& task = lease.task;
    lease.token = Token{std::exchange(token, token + task.count)};
    lease.grant = &grant;
    s_.grants.Put(lease);
    if (holder.poll != nullptr) {
      lease.expires_listened_ms = s_.ListenedMs() + grant.lease_ms;
      lifecycle_.MarkStarted(turn, task);
    } else {
      lifecycle_.Retime(task);
    }
    row.tasks.push_back(task.range());
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
  lease.tasks = task.count;
  lease.row = task.row();
  lease.payload_bytes = task.payload_bytes;
  if (task.run != nullptr) {
    lease.payload_begin = task.run->sizes.BeginOf(task.run->IndexOf(task.id));
  }
  if (task.count > 1) lease.payload_sizes = task.PayloadSizesOfEach();
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
