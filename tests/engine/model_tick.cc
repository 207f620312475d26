#include <algorithm>

#include "proto/support/assert.h"
#include "tests/engine/model.h"

namespace treadle::engine {
namespace {

bool Takes(const std::vector<std::string>& types, const std::string& type) {
  return types.empty() || std::find(types.begin(), types.end(), type) != types.end();
}

bool Serves(const std::vector<std::string>& queues, const std::string& queue) {
  return std::find(queues.begin(), queues.end(), queue) != queues.end();
}

// Does `a` come before `b`?
bool Before(const ModelTask& a, const ModelTask& b, Discipline discipline) {
  if (discipline == Discipline::kLifo) return a.order > b.order;
  if (discipline == Discipline::kPriority && a.spec.priority != b.spec.priority) {
    return a.spec.priority > b.spec.priority;
  }
  return a.order < b.order;
}

}  // namespace

void Model::Expire(ModelTask& task) {
  TaskError error;
  error.type = "DeadlineExceeded";
  int32_t attempts = task.spent;
  if (task.state == TaskState::kRunning) {
    error.attempt = ++attempts;
    error.worker = task.holder;
    Stop(task, StopReason::kDeadline);
  }
  Finish(task, TaskState::kExpired, attempts, error);
}

bool Model::Served(const std::string& queue, const std::string& type) const {
  const auto works = [&](const auto& entry) {
    const ModelWorker& worker = entry.second;
    return worker.call != CallId{} && !worker.draining && Serves(worker.queues, queue) &&
           std::any_of(worker.pools.begin(), worker.pools.end(),
                       [&](const ModelPool& pool) { return Takes(pool.spec.types, type); });
  };
  const auto asks = [&](const auto& poll) {
    return Serves(poll.second.queues, queue) && Takes(poll.second.types, type);
  };
  const auto was_asked_for = [&](const auto& entry) {
    const ModelTask& task = entry.second;
    return task.state == TaskState::kRunning && task.worker.empty() && task.spec.queue == queue &&
           task.spec.type == type;
  };
  return std::any_of(workers_.begin(), workers_.end(), works) ||
         std::any_of(polls_.begin(), polls_.end(), asks) ||
         std::any_of(tasks_.begin(), tasks_.end(), was_asked_for);
}

void Model::NoteServed() {
  for (const auto& [id, task] : tasks_) {
    const std::pair<std::string, std::string> line(task.spec.queue, task.spec.type);
    if (Served(line.first, line.second)) {
      served_.insert(line);
    } else if (served_.erase(line) > 0) {
      left_at_ms_[line] = now_ms_;
    }
  }
}

int64_t Model::FailsUnservedAt(const ModelTask& task) const {
  const ModelQueue& queue = queues_.at(task.spec.queue);
  const int64_t after_ms = queue.config.fail_unserved_after_ms;
  if (after_ms == 0 || task.state != TaskState::kQueued || queue.paused || !queue.purges.empty() ||
      Served(task.spec.queue, task.spec.type)) {
    return INT64_MAX;
  }
  const auto left = left_at_ms_.find({task.spec.queue, task.spec.type});
  const int64_t left_at_ms = left == left_at_ms_.end() ? 0 : left->second;
  return std::max({task.queued_at_ms, left_at_ms, queue.resumed_at_ms, loaded_at_ms_}) + after_ms;
}

std::optional<Model::Due> Model::FirstDue() {
  NoteServed();
  std::optional<Due> first;
  const auto offer = [&](int64_t at_ms, std::function<void()> act) {
    if (at_ms > now_ms_ || (first && first->at_ms <= at_ms)) return;
    first = Due{at_ms, std::move(act)};
  };
  for (auto& [name, queue] : queues_) {
    ModelQueue* const it = &queue;
    if (queue.paused) offer(queue.resume_at_ms, [=, this] { Resume(*it); });
  }
  for (auto& [id, task] : tasks_) {
    ModelTask* const it = &task;
    offer(Deadline(task), [=, this] { Expire(*it); });
    offer(FailsUnservedAt(task), [=, this] {
      TaskError error;
      error.type = "NoWorker";
      Finish(*it, TaskState::kFailed, it->spent, error);
    });
    if (task.state == TaskState::kScheduled) {
      offer(RunAt(task), [=, this] {
        it->state = TaskState::kQueued;
        it->queued_at_ms = now_ms_;
        Changed(*it);
      });
    }
    if (task.state != TaskState::kRunning) continue;
    if (task.worker.empty()) offer(task.expires_at_ms, [=, this] { LoseLease(*it); });
    offer(AttemptEndsBy(task), [=, this] {
      if (!it->worker.empty()) {
        it->timed_out = true;
        if (!it->cancel_requested) Stop(*it, StopReason::kAttemptTimeout);
        return Changed(*it);
      }
      TaskError error;
      error.type = "AttemptTimeout";
      it->suspect = false;
      FailAttempt(*it, error, /*at_once=*/false);
    });
  }
  for (auto& [id, worker] : workers_) {
    if (!HoldsLease(id)) continue;
    offer(worker.heard_at_ms + options_.lease_ms, [this, id = id] {
      ModelWorker& lost = workers_.at(id);
      if (lost.call != CallId{}) {
        Say(EndCall{lost.call, absl::DeadlineExceededError("model")});
        Detach(lost);
      }
      std::vector<TaskId> leased;
      for (const auto& [task_id, task] : tasks_) {
        if (task.state == TaskState::kRunning && task.worker == id) leased.push_back(task_id);
      }
      for (const TaskId task_id : leased) LoseLease(tasks_.at(task_id));
      RetireIdle();
    });
  }
  for (auto& [id, session] : sessions_) {
    if (session.call != CallId{}) continue;
    offer(session.expires_at_ms, [this, id = id] { sessions_.erase(id); });
  }
  for (auto& [name, queue] : queues_) {
    for (auto& group : queue.line) {
      for (const ModelWaiter& waiter : group) {
        offer(waiter.until_ms, [this, id = waiter.submit.id] {
          DropWaiters(absl::StatusCode::kResourceExhausted,
                      [&](const ModelWaiter& other) { return other.submit.id == id; });
        });
      }
    }
  }
  return first;
}

void Model::Purge() {
  for (auto& [name, queue] : queues_) {
    if (queue.purges.empty()) continue;
    std::vector<TaskId> doomed;
    for (const auto& [id, task] : tasks_) {
      if (task.spec.queue == name && task.doomed) doomed.push_back(id);
    }
    for (const TaskId id : doomed) {
      ModelTask& task = tasks_.at(id);
      Finish(task, TaskState::kCancelled, task.spent, TaskError());
    }
    for (const CallId call : queue.purges) {
      Say(QueueChanged{call, absl::OkStatus(), name, static_cast<int64_t>(doomed.size())});
    }
    queue.purges.clear();
    queue.resumed_at_ms = now_ms_;
  }
}

void Model::Tick(int64_t now_ms, const std::vector<Dispatched>& given) {
  now_ms_ = now_ms;
  for (auto& [id, task] : tasks_) task.late = false;
  while (const auto due = FirstDue()) due->act();
  Purge();
  Serve(/*late=*/true);
  Give(given);
  while (const auto due = FirstDue()) due->act();
  CheckOrder(given);
  CheckNothingLeft();
  std::vector<CallId> over;
  for (const auto& [call, poll] : polls_) {
    if (poll_until_ms_.at(call) <= now_ms_) over.push_back(call);
  }
  for (const CallId call : over) {
    Say(Dispatched{call, {}});
    polls_.erase(call);
  }
  RetireIdle();
  NoteServed();
  finished_this_turn_.clear();
  for (auto& [name, key] : keys_) key.finished_this_turn = false;
}

// Takes the engine's gifts one by one, as they become possible: some tasks came in from waiting
// only because others were given.
void Model::Give(const std::vector<Dispatched>& given) {
  std::vector<std::pair<const Lease*, CallId>> left;
  for (const Dispatched& dispatched : given) {
    TREADLE_ASSERT(!dispatched.leases.empty());
    for (const Lease& lease : dispatched.leases) {
      TREADLE_ASSERT(static_cast<uint64_t>(lease.token) == next_token_++);
      left.emplace_back(&lease, dispatched.call);
    }
  }
  std::set<CallId> held_up;
  for (bool progress = true; progress;) {
    progress = false;
    held_up.clear();
    for (auto it = left.begin(); it != left.end();) {
      // What one holder was given stands in the order in which it was given.
      const auto [lease, call] = *it;
      if (!held_up.contains(call) && GiveOne(*lease, call)) {
        progress = true;
        it = left.erase(it);
        Serve(/*late=*/true);
      } else {
        held_up.insert(call);
        ++it;
      }
    }
    Serve(/*late=*/true);
    std::vector<TaskId> expired;
    for (const auto& [id, task] : tasks_) {
      if (task.late && task.state != TaskState::kRunning && Deadline(task) <= now_ms_) {
        expired.push_back(id);
      }
    }
    for (const TaskId id : expired) Expire(tasks_.at(id));
    Serve(/*late=*/true);
    progress |= !expired.empty();
  }
  TREADLE_ASSERT(left.empty());
  for (const Dispatched& dispatched : given) polls_.erase(dispatched.call);
}

bool Model::Blocked(const std::string& worker_id) const {
  int64_t count = 0;
  uint64_t bytes = 0;
  for (const auto& [id, task] : tasks_) {
    if (task.state != TaskState::kRunning || task.worker != worker_id) continue;
    ++count;
    bytes += task.spec.payload_bytes;
  }
  return count > 0 && bytes >= static_cast<uint64_t>(options_.worker_inflight_bytes_max);
}

bool Model::HoldsLease(const std::string& worker_id) const {
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
    return entry.second.state == TaskState::kRunning && entry.second.worker == worker_id;
  });
}

bool Model::GiveOne(const Lease& lease, CallId call) {
  const auto found = tasks_.find(lease.task);
  if (found == tasks_.end()) return false;
  ModelTask& task = found->second;
  if (task.state != TaskState::kQueued) return false;
  TREADLE_ASSERT(*lease.queue == task.spec.queue && *lease.type == task.spec.type);
  TREADLE_ASSERT(lease.payload_bytes == task.spec.payload_bytes);
  TREADLE_ASSERT(!queues_.at(task.spec.queue).paused);
  TREADLE_ASSERT(lease.attempt == task.spent + 1 && lease.token > task.last_token);
  TREADLE_ASSERT(Deadline(task) == (lease.deadline_at_ms == 0 ? INT64_MAX : lease.deadline_at_ms));
  task.started = false;
  const auto poll = polls_.find(call);
  if (poll != polls_.end()) {
    TREADLE_ASSERT(poll->second.max_tasks-- > 0 && !lease.confirm_start);
    TREADLE_ASSERT(Serves(poll->second.queues, task.spec.queue));
    TREADLE_ASSERT(Takes(poll->second.types, task.spec.type));
    task.worker.clear();
    task.holder = poll->second.worker_name;
    task.lease_ms = poll->second.lease_ms;
    task.expires_at_ms = now_ms_ + task.lease_ms;
    task.started = true;
    task.started_at_ms = now_ms_;
  } else {
    const auto worker = std::find_if(workers_.begin(), workers_.end(),
                                     [&](const auto& one) { return one.second.call == call; });
    TREADLE_ASSERT(worker != workers_.end() && !worker->second.draining);
    ModelPool& pool = worker->second.pools.at(static_cast<size_t>(lease.pool));
    TREADLE_ASSERT(pool.credit-- > 0 && !Blocked(worker->first));
    TREADLE_ASSERT(Serves(worker->second.queues, task.spec.queue));
    TREADLE_ASSERT(Takes(pool.spec.types, task.spec.type));
    TREADLE_ASSERT(lease.confirm_start == task.suspect);
    if (!HoldsLease(worker->first)) worker->second.heard_at_ms = now_ms_;
    task.worker = worker->first;
    task.holder = worker->second.name;
    task.lease_ms = options_.lease_ms;
  }
  task.state = TaskState::kRunning;
  task.token = lease.token;
  task.granted_at_ms = now_ms_;
  Changed(task);
  return true;
}

// Nobody was passed over by what was given to someone who takes his type too.
void Model::CheckOrder(const std::vector<Dispatched>& given) const {
  for (const Dispatched& dispatched : given) {
    for (const Lease& lease : dispatched.leases) {
      const auto found = tasks_.find(lease.task);
      if (found == tasks_.end()) continue;
      const ModelTask& task = found->second;
      const std::string& queue = task.spec.queue;
      const auto worker = workers_.find(task.worker);
      for (const auto& [id, other] : tasks_) {
        if (other.state != TaskState::kQueued || other.late || other.spec.queue != queue) continue;
        const bool fits =
            worker != workers_.end()
                ? Takes(worker->second.pools[static_cast<size_t>(lease.pool)].spec.types,
                        other.spec.type)
                : other.spec.type == task.spec.type;
        TREADLE_ASSERT(!fits || Before(task, other, queues_.at(queue).config.discipline));
      }
    }
  }
}

// Promise 6.
void Model::CheckNothingLeft() const {
  for (const auto& [id, task] : tasks_) {
    if (task.state != TaskState::kQueued || queues_.at(task.spec.queue).paused) continue;
    for (const auto& [worker_id, worker] : workers_) {
      if (worker.call == CallId{} || !Serves(worker.queues, task.spec.queue)) continue;
      for (const ModelPool& pool : worker.pools) {
        TREADLE_ASSERT(pool.credit == 0 || !Takes(pool.spec.types, task.spec.type) ||
                       Blocked(worker_id));
      }
    }
    for (const auto& [call, poll] : polls_) {
      TREADLE_ASSERT(!Serves(poll.queues, task.spec.queue) || !Takes(poll.types, task.spec.type));
    }
  }
}

}  // namespace treadle::engine
