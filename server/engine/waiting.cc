#include <algorithm>
#include <utility>

#include "proto/support/assert.h"
#include "server/engine/admission.h"
#include "server/engine/refusals.h"

// The part of Admission that deals with submits that wait for room.

namespace treadle::engine {

void Admission::WaitOrRefuse(Turn& turn, Queue& queue, Submit&& submit, Waiter* leader) {
  absl::Status status;
  if (submit.wait_if_full_ms <= 0) {
    status = refusal::QueueFull(queue, submit.spec.payload_bytes);
  } else if (queue.waiter_count >= s_.options.waiting_submitters_max) {
    status = refusal::TooManyWaiters(queue);
  }
  if (!status.ok()) {
    return Answer(turn, submit, status);
  }
  Waiter& waiter = s_.waiters.Add(queue, std::move(submit));
  const TaskSpec& spec = waiter.submit.spec;
  waiter.since_ms = turn.now_ms();
  waiter.leader = leader;
  ++queue.waiter_count;
  if (leader != nullptr) {
    leader->followers.PushBack(waiter);
  } else {
    queue.waiters.PushBack(waiter);
    if (!spec.request_key.empty()) {
      s_.keys.Add(spec.queue, spec.request_key, {waiter.submit.id, spec.digest, &waiter});
    }
  }
  s_.calls.Obtain(waiter.submit.call).waiters.PushBack(waiter);
  s_.timers.Set(waiter, turn.now_ms() + waiter.submit.wait_if_full_ms);
}

// The same sequence again, over a newer stream as a rule: the place in line stays, the answer goes
// to who asked last.
void Admission::TakeOver(Waiter& waiter, Submit& submit, int64_t now_ms) {
  LeaveCall(waiter);
  waiter.submit.call = submit.call;
  waiter.submit.item = submit.item;
  // What the first stream asked for holds, too: it may be the same one.
  waiter.submit.spec.durability = std::max(waiter.submit.spec.durability, submit.spec.durability);
  s_.calls.Obtain(submit.call).waiters.PushBack(waiter);
  s_.timers.Set(waiter, now_ms + submit.wait_if_full_ms);
}

void Admission::LeaveCall(Waiter& waiter) {
  List<Waiter, CallWaiterTag>::Remove(waiter);
  s_.calls.Release(waiter.submit.call);
}

void Admission::LeaveLine(Waiter& waiter) {
  Queue& queue = waiter.queue;
  const TaskSpec& spec = waiter.submit.spec;
  if (waiter.leader == nullptr) {
    if (!waiter.followers.empty()) {
      Waiter& next = waiter.followers.PopFront();
      next.leader = nullptr;
      queue.waiters.InsertBefore(waiter, next);
      for (Waiter& other : waiter.followers) other.leader = &next;
      next.followers.Splice(waiter.followers);
      RequestKeys::Entry& entry = *s_.keys.Find(spec.queue, spec.request_key);
      entry.task = next.submit.id;
      entry.waiter = &next;
    } else if (!spec.request_key.empty()) {
      s_.keys.Remove(spec.queue, spec.request_key);
    }
  }
  List<Waiter, QueueWaiterTag>::Remove(waiter);
  --queue.waiter_count;
}

void Admission::Refuse(Turn& turn, Waiter& waiter, const absl::Status& status) {
  Queue& queue = waiter.queue;
  Answer(turn, waiter.submit, status);
  s_.timers.Clear(waiter);
  LeaveCall(waiter);
  LeaveLine(waiter);
  s_.waiters.Erase(waiter);
  // The next in line may be smaller, and fit.
  if (!queue.waiters.empty() && !queue.has_room_news) {
    queue.has_room_news = true;
    s_.queues_with_room.push_back(&queue);
  }
}

void Admission::Due(Turn& turn, Waiter& waiter) {
  Refuse(turn, waiter,
         refusal::WaitedInVain(waiter.queue, waiter.submit.spec.payload_bytes,
                               turn.now_ms() - waiter.since_ms));
}

void Admission::Withdraw(Turn& turn, Call& call, const absl::Status& status) {
  // The last one may take the call's entry with it.
  for (bool last = call.waiters.empty(); !last;) {
    Waiter& waiter = call.waiters.front();
    last = call.waiters.has_one();
    Refuse(turn, waiter, status);
  }
}

void Admission::AcceptWaiter(Turn& turn, Waiter& waiter) {
  s_.timers.Clear(waiter);
  LeaveCall(waiter);
  Queue& queue = waiter.queue;
  List<Waiter, QueueWaiterTag>::Remove(waiter);
  --queue.waiter_count;
  Accept(turn, queue, waiter.submit);
  while (!waiter.followers.empty()) {
    Waiter& follower = waiter.followers.PopFront();
    --queue.waiter_count;
    s_.timers.Clear(follower);
    LeaveCall(follower);
    AnswerExisting(turn, follower.submit, waiter.submit.id);
    s_.waiters.Erase(follower);
  }
  s_.waiters.Erase(waiter);
}

void Admission::Serve(Turn& turn, Queue& queue) {
  while (!queue.waiters.empty()) {
    Waiter& waiter = queue.waiters.front();
    const Submit& submit = waiter.submit;
    if (submit.spec.payload_bytes > static_cast<uint64_t>(queue.config.max_bytes)) {
      Refuse(turn, waiter, refusal::LargerThanQueue(queue.config, submit.spec.payload_bytes));
      continue;
    }
    if (!queue.Fits(submit.spec.payload_bytes)) return;
    const absl::Status status = CheckServer(&queue, submit.spec, 1);
    if (status.ok()) {
      AcceptWaiter(turn, waiter);
    } else {
      Refuse(turn, waiter, status);
    }
  }
}

void Admission::ServeQueuesWithRoom(Turn& turn) {
  while (!s_.queues_with_room.empty()) {
    Queue& queue = *s_.queues_with_room.back();
    s_.queues_with_room.pop_back();
    queue.has_room_news = false;
    Serve(turn, queue);
  }
}

void Admission::RulesChanged(Turn& turn, Queue& queue) {
  for (auto waiter = queue.waiters.begin(); waiter != queue.waiters.end();) {
    Waiter& current = *waiter;
    ++waiter;
    const uint64_t bytes = current.submit.spec.payload_bytes;
    const bool too_large = bytes > static_cast<uint64_t>(queue.config.max_bytes);
    if (!too_large && !queue.closed) continue;
    const absl::Status status =
        queue.closed ? refusal::QueueClosed(queue) : refusal::LargerThanQueue(queue.config, bytes);
    while (!current.followers.empty()) Refuse(turn, current.followers.front(), status);
    Refuse(turn, current, status);
  }
  Serve(turn, queue);
}

}  // namespace treadle::engine
