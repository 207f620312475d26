#include "server/engine/admission.h"

#include <memory>
#include <utility>

#include "proto/support/assert.h"
#include "server/engine/refusals.h"

// Submits as they come; waiting.cc has those that wait for room.

namespace treadle::engine {

absl::Status CheckNewQueue(const Shares& queues, Origin origin) {
  if (queues.IsFull()) return refusal::TooManyQueues(queues.max());
  if (queues.IsGreedy(origin)) {
    return refusal::TooLargeAShare("queues", "--queues-max", queues.max());
  }
  return absl::OkStatus();
}

void Admission::Answer(Turn& turn, const Submit& submit, const absl::Status& status,
                       bool no_worker) const {
  const Durability after = status.ok() ? submit.spec.durability : Durability::kMemory;
  turn.Say(after, Submitted{submit.call, submit.item, submit.id, status, /*existing=*/false, after,
                            submit.tasks(), no_worker});
}

void Admission::AnswerExisting(Turn& turn, const Submit& submit, TaskId first) const {
  const Durability after = submit.spec.durability;
  turn.Say(after,
           Submitted{submit.call, submit.item, first, absl::OkStatus(), /*existing=*/true, after});
}

void Admission::Apply(Turn& turn, Submit&& submit) {
  if (submit.payload_sizes.size() <= 1) {
    submit.payload_sizes.clear();
    return ApplyOne(turn, std::move(submit));
  }
  if (AcceptRun(turn, submit)) return;
  const std::vector<uint32_t> sizes = std::exchange(submit.payload_sizes, {});
  TREADLE_ASSERT(submit.spec.request_key.empty());
  for (const uint32_t bytes : sizes) {
    Submit one = submit;
    one.spec.payload_bytes = one.payload.bytes = bytes;
    one.held_bytes = submit.held_bytes / static_cast<int64_t>(sizes.size());
    ApplyOne(turn, std::move(one));
    ++submit.item;
    ++submit.id.sequence;
    submit.payload.begin += bytes;
  }
}

bool Admission::AcceptRun(Turn& turn, Submit& submit) {
  const TaskSpec& spec = submit.spec;
  const uint32_t tasks = submit.tasks();
  if (!submit.refusal.ok() || AnyWaits(submit)) return false;
  if (submit.sequenced) {
    const Session* const session = s_.calls.SessionOf(submit.call);
    if (session == nullptr || !IsNewTo(*session, submit)) return false;
  }
  Queue* const known = s_.queues.Find(spec.queue);
  if (!Check(known, spec, submit.origin, tasks).ok()) return false;
  Queue& queue = known != nullptr ? *known : ObtainQueue(turn, spec.queue, submit.origin);
  if (!queue.waiters.empty() || !queue.Fits(spec.payload_bytes, tasks)) return false;
  Accept(turn, queue, submit);
  return true;
}

absl::Status Admission::AcceptNow(Turn& turn, Submit&& submit) {
  Queue* const known = s_.queues.Find(submit.spec.queue);
  if (absl::Status s = Check(known, submit.spec, submit.origin, 1); !s.ok()) return s;
  Queue& queue = known != nullptr ? *known : ObtainQueue(turn, submit.spec.queue, submit.origin);
  const bool has_room = queue.Fits(submit.spec.payload_bytes) && queue.waiters.empty();
  if (!has_room) return refusal::QueueFull(queue, submit.spec.payload_bytes);
  Accept(turn, queue, submit);
  return absl::OkStatus();
}

bool Admission::AnyWaits(const Submit& run) const {
  if (s_.waiters.size() == 0) return false;
  for (uint32_t i = 0; i < run.tasks(); ++i) {
    if (s_.waiters.Find(TaskId{run.id.session, run.id.sequence + i}) != nullptr) return true;
  }
  return false;
}

bool Admission::IsNewTo(const Session& session, const Submit& run) const {
  const uint64_t first = run.id.sequence;
  return session.id == run.id.session && first > session.newest() &&
         first + run.tasks() - 1 - session.newest() <=
             static_cast<uint64_t>(s_.options.session_gap_max) &&
         (static_cast<int64_t>(session.accepted.ranges().size()) < s_.options.session_ranges_max ||
          !session.accepted.NeedsRange(first));
}

void Admission::ApplyOne(Turn& turn, Submit&& submit) {
  if (submit.sequenced && AnswerRepeat(turn, submit)) return;
  if (!submit.spec.request_key.empty() && AnswerKey(turn, submit)) return;
  if (!submit.refusal.ok()) return Answer(turn, submit, submit.refusal);
  Queue* const known = s_.queues.Find(submit.spec.queue);
  const absl::Status status = Check(known, submit.spec, submit.origin, 1);
  if (!status.ok()) {
    Answer(turn, submit, status);
    return;
  }
  Queue& queue = known != nullptr ? *known : ObtainQueue(turn, submit.spec.queue, submit.origin);
  if (queue.waiters.empty() && queue.Fits(submit.spec.payload_bytes)) {
    return Accept(turn, queue, submit);
  }
  WaitOrRefuse(turn, queue, std::move(submit), nullptr);
}

bool Admission::AnswerRepeat(Turn& turn, Submit& submit) {
  const uint64_t sequence = submit.id.sequence;
  Session* const session = s_.calls.SessionOf(submit.call);
  absl::Status status;
  if (session == nullptr || session->id != submit.id.session) {
    status = refusal::NotInSession(submit.id);
  } else if (Waiter* const waiter = s_.waiters.Find(submit.id)) {
    // Below the floor too: it still gets its room, and a refusal would say that it does not.
    TakeOver(*waiter, submit, turn.now_ms());
    return true;
  } else if (sequence < session->floor) {
    status = refusal::BelowFloor(sequence, session->floor);
  } else if (session->accepted.Contains(sequence)) {
    Answer(turn, submit, absl::OkStatus());
    return true;
  } else if (sequence > session->newest() &&
             sequence - session->newest() > static_cast<uint64_t>(s_.options.session_gap_max)) {
    status = refusal::SequenceTooFar(sequence, session->newest(), s_.options.session_gap_max);
  } else if (static_cast<int64_t>(session->accepted.ranges().size()) >=
                 s_.options.session_ranges_max &&
             session->accepted.NeedsRange(sequence)) {
    status = refusal::TooManyRanges(s_.options.session_ranges_max);
  } else {
    return false;
  }
  Answer(turn, submit, status);
  return true;
}

bool Admission::AnswerKey(Turn& turn, Submit& submit) {
  const TaskSpec& spec = submit.spec;
  if (RequestKeys::Entry* const entry = s_.keys.Find(spec.queue, spec.request_key)) {
    if (entry->waiter != nullptr && entry->digest == spec.digest) {
      Waiter& leader = *entry->waiter;
      WaitOrRefuse(turn, leader.queue, std::move(submit), &leader);
    } else {
      AnswerSameKey(turn, submit, entry->task, entry->digest);
    }
    return true;
  }
  if (!submit.known_key || submit.known_key->expires_at_ms <= turn.now_ms()) return false;
  AnswerSameKey(turn, submit, submit.known_key->task, submit.known_key->digest);
  return true;
}

void Admission::AnswerSameKey(Turn& turn, Submit& submit, TaskId first,
                              const ContentDigest& digest) {
  const TaskSpec& spec = submit.spec;
  if (digest == spec.digest) return AnswerExisting(turn, submit, first);
  Answer(turn, submit, refusal::KeyUsed(spec.queue, spec.request_key, first));
}

QueueConfig Admission::DefaultConfig(const std::string& name) const {
  QueueConfig config;
  config.name = name;
  config.max_tasks = s_.options.queue_max_tasks;
  config.max_bytes = s_.options.queue_max_bytes;
  config.dead_letters = s_.options.dead_letters;
  return config;
}

absl::Status Admission::Check(const Queue* queue, const TaskSpec& spec, Origin origin,
                              uint32_t tasks) const {
  if (queue == nullptr && !s_.options.auto_create_queues) {
    return refusal::NoSuchQueueToSubmit(spec.queue);
  }
  if (queue != nullptr && queue->closed) return refusal::QueueClosed(*queue);
  const QueueConfig& config = queue != nullptr ? queue->config : DefaultConfig(spec.queue);
  if (spec.priority != 0 && config.discipline != Discipline::kPriority) {
    return refusal::PriorityNotAllowed(config);
  }
  if (spec.payload_bytes > static_cast<uint64_t>(config.max_bytes)) {
    return refusal::LargerThanQueue(config, spec.payload_bytes);
  }
  if (queue == nullptr) {
    if (absl::Status s = CheckNewQueue(s_.queue_shares, origin); !s.ok()) return s;
  }
  return CheckServer(queue, spec, tasks);
}

absl::Status Admission::CheckServer(const Queue* queue, const TaskSpec& spec,
                                    uint32_t tasks) const {
  if (static_cast<int64_t>(s_.tasks.size() + tasks) > s_.options.unfinished_tasks_max) {
    return refusal::TooManyTasks(s_.options.unfinished_tasks_max);
  }
  if (queue != nullptr && !lifecycle_.HasRoomForType(*queue, spec.type)) {
    return refusal::TooManyTypes(*queue, s_.options.types_per_queue_max);
  }
  return absl::OkStatus();
}

Queue& Admission::ObtainQueue(Turn& turn, const std::string& name, Origin origin) {
  Queue& queue = s_.queues.Obtain(name);
  s_.queues.Declare(queue, DefaultConfig(name), s_.Shown(turn.now_ms()));
  queue.origin = origin;
  s_.queue_shares.Take(origin);
  turn.Put(RowOf(queue));
  return queue;
}

void Admission::Accept(Turn& turn, Queue& queue, Submit& submit) {
  const int64_t now = turn.now_ms();
  TaskSpec& spec = submit.spec;
  auto made = std::make_unique<Task>();
  made->id = submit.id;
  made->count = submit.tasks();
  made->line = &lifecycle_.ObtainLine(queue, spec.type, made->count);
  made->order = s_.NextOrders(made->count);
  made->submitted_at_ms = now;
  made->TakeSpec(spec);
  if (made->count > 1) {
    made->run = std::make_shared<TaskRun>(submit.id, PayloadSizes(submit.payload_sizes));
  }
  Task& task = *made;
  const bool added = s_.tasks.Add(std::move(made));
  TREADLE_ASSERT(added);
  lifecycle_.Enter(task, now);
  queue.totals.submitted += task.count;
  queue.totals.submit_rate.Add(now, task.count);

  if (submit.sequenced) {
    Session& session = *s_.sessions.Find(submit.id.session);
    session.had_task = true;
    // Below the floor: it was acknowledged while it waited for room, and will not come again.
    if (task.count > 1) {
      session.accepted.Append(submit.id.sequence, submit.id.sequence + task.count - 1);
    } else if (submit.id.sequence >= session.floor) {
      session.accepted.Add(submit.id.sequence);
    }
    s_.sessions.Touch(session);
  }
  if (task.has_key()) {
    KeyRow key;
    key.queue = spec.queue;
    key.key = spec.request_key;
    key.task = task.id;
    key.digest = spec.digest;
    key.expires_at_ms = now + s_.options.request_key_window_ms;
    if (RequestKeys::Entry* const entry = s_.keys.Find(spec.queue, spec.request_key)) {
      entry->waiter = nullptr;  // it was this submit that waited
    } else {
      s_.keys.Add(spec.queue, spec.request_key, {task.id, spec.digest});
    }
    turn.Put(std::move(key));
  }
  if (submit.call != CallId{}) {
    Answer(turn, submit, absl::OkStatus(), /*no_worker=*/!task.line->served());
  }
  turn.Put(TaskRow{task.id, std::move(spec), task.order, now, std::move(submit.payload_sizes),
                   std::move(submit.payload)});
}

}  // namespace treadle::engine
