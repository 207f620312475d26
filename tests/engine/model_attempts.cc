#include <algorithm>
#include <utility>

#include "tests/engine/model.h"
#include "tests/engine/single_tasks.h"

namespace treadle::engine {

ModelWorker* Model::WorkerOf(CallId call) {
  for (auto& [id, worker] : workers_) {
    if (worker.call == call) return &worker;
  }
  return nullptr;
}

bool Model::HoldsSomething(const std::string& worker_id) const {
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& task) {
    return task.second.state == TaskState::kRunning && task.second.worker == worker_id;
  });
}

void Model::Detach(ModelWorker& worker) {
  worker.call = CallId{};
  worker.pools.clear();
}

void Model::RetireIdle() {
  std::erase_if(workers_, [&](const auto& worker) {
    return worker.second.call == CallId{} && !HoldsSomething(worker.first);
  });
}

void Model::Apply(const AttachWorker& command) {
  if (IsOpen(command.call)) {
    return Say(EndCall{command.call, absl::InvalidArgumentError("model")});
  }
  if (!workers_.contains(command.worker_id) &&
      static_cast<int64_t>(workers_.size()) >= options_.workers_max) {
    return Say(WorkerAttached{command.call, absl::ResourceExhaustedError("model")});
  }
  ModelWorker& worker = workers_[command.worker_id];
  if (worker.call != CallId{}) Say(EndCall{worker.call, absl::AbortedError("model")});
  worker = ModelWorker{command.call, command.worker_name, command.queues, {}, false, now_ms_};
  for (const PoolSpec& pool : command.pools) worker.pools.push_back(ModelPool{pool});
  WorkerAttached attached{command.call};
  std::set<Token> valid;
  for (const Token token : command.held_tokens) {
    const ModelTask* const task = Leased(token);
    if (task != nullptr && task->worker == command.worker_id) {
      valid.insert(token);
    } else {
      attached.revoked_tokens.push_back(token);
    }
  }
  Say(attached);
  std::vector<TaskId> unnamed;
  for (const auto& [id, task] : tasks_) {
    if (task.state != TaskState::kRunning || task.worker != command.worker_id) continue;
    if (!valid.contains(task.token)) {
      unnamed.push_back(id);
    } else if (task.cancel_requested || task.timed_out) {
      Stop(task, task.cancel_requested ? StopReason::kCancelled : StopReason::kAttemptTimeout);
    }
  }
  for (const TaskId id : unnamed) GiveBack(tasks_.at(id));
}

void Model::Apply(const Heartbeat& command) {
  if (ModelWorker* const worker = WorkerOf(command.call)) worker->heard_at_ms = now_ms_;
}

void Model::Apply(const AddCredit& command) {
  ModelWorker* const worker = WorkerOf(command.call);
  if (worker == nullptr) return;
  const bool pool_known =
      command.pool >= 0 && static_cast<size_t>(command.pool) < worker->pools.size();
  const bool sane = pool_known && command.tasks >= 1 && command.tasks <= options_.credit_max;
  if (sane && worker->draining) return;
  if (!sane || worker->pools[static_cast<size_t>(command.pool)].credit + command.tasks >
                   options_.credit_max) {
    Say(EndCall{command.call, absl::InvalidArgumentError("model")});
    return Detach(*worker);
  }
  worker->pools[static_cast<size_t>(command.pool)].credit += command.tasks;
}

void Model::Apply(const DrainWorker& command) {
  ModelWorker* const worker = WorkerOf(command.call);
  if (worker == nullptr) return;
  worker->draining = true;
  for (ModelPool& pool : worker->pools) pool.credit = 0;
}

void Model::Apply(const StartAttempt& command) {
  const ModelWorker* const worker = WorkerOf(command.call);
  ModelTask* const task = Leased(command.token);
  if (worker == nullptr || task == nullptr || task->worker.empty() || task->started) return;
  if (worker != &workers_.at(task->worker)) return;
  task->started = true;
  task->started_at_ms = now_ms_;
}

ModelTask* Model::Leased(Token token) {
  const auto found = std::find_if(tasks_.begin(), tasks_.end(), [&](const auto& task) {
    return task.second.state == TaskState::kRunning && task.second.token == token;
  });
  return found == tasks_.end() ? nullptr : &found->second;
}

ModelTask* Model::Reportable(CallId call, Token token) {
  ModelTask* const task = Leased(token);
  const ModelWorker* const caller = WorkerOf(call);
  const bool may = task == nullptr || caller == nullptr || task->worker.empty() ||
                   caller == &workers_.at(task->worker);
  return may ? task : nullptr;
}

void Model::Apply(const EndAttempt& command) {
  for (const EndAttempt& one : SingleTasks(command)) ApplyOne(one);
}

void Model::ApplyOne(const EndAttempt& end) {
  ReportDone done{end.call, end.item, end.token};
  ModelTask* const found = Reportable(end.call, end.token);
  if (found == nullptr) {
    const AcceptedReport report{end.token, end.end};
    if (std::find(reports_.begin(), reports_.end(), report) != reports_.end()) {
      if (end.reply) Say(done);
      return;
    }
    done.status = absl::AbortedError("model");
    return Say(done);
  }
  ModelTask& task = *found;
  TaskError error = end.error;
  switch (end.end) {
    case AttemptEnd::kSucceeded:
      Finish(task, TaskState::kSucceeded, task.spent + 1, TaskError(), end.body);
      break;
    case AttemptEnd::kReleased:
      GiveBack(task);
      break;
    case AttemptEnd::kStopped:
      error = TaskError();
      error.type = task.spec.attempt_timeout_ms > 0 && task.started &&
                           task.started_at_ms + task.spec.attempt_timeout_ms <= now_ms_
                       ? "AttemptTimeout"
                       : "Stopped";
      [[fallthrough]];
    case AttemptEnd::kFailed:
      task.suspect = false;
      FailAttempt(task, error, /*at_once=*/false);
  }
  if (!end.reply) return;
  reports_.push_back({end.token, end.end});
  Say(done);
}

void Model::Apply(const EndReports& command) {
  Say(ReportsHandled{command.call, command.sequence});
}

void Model::Apply(const PollTasks& command) {
  if (static_cast<int64_t>(polls_.size()) >= options_.polls_max) {
    return Say(EndCall{command.call, absl::ResourceExhaustedError("model")});
  }
  polls_[command.call] = command;
  poll_until_ms_[command.call] = now_ms_ + command.wait_ms;
}

void Model::Apply(const ExtendLease& command) {
  LeaseExtended answer{command.call, command.item, command.token};
  ModelTask* const found = Reportable(command.call, command.token);
  if (found == nullptr) {
    answer.status = absl::AbortedError("model");
  } else if (ModelTask& task = *found; !task.worker.empty()) {
    answer.status = absl::FailedPreconditionError("model");
  } else {
    task.expires_at_ms = now_ms_ + command.lease_ms;
    if (command.lease_ms > task.lease_ms || command.lease_ms < task.lease_ms / 2) {
      task.lease_ms = command.lease_ms;
    }
    answer.lease_ms = std::min(task.expires_at_ms, AttemptEndsBy(task)) - now_ms_;
    if (AttemptEndsBy(task) - options_.attempt_timeout_grace_ms <= now_ms_) {
      answer.stop = StopReason::kAttemptTimeout;
    }
    if (task.cancel_requested) answer.stop = StopReason::kCancelled;
  }
  Say(answer);
}

int64_t Model::AttemptEndsBy(const ModelTask& task) const {
  if (task.spec.attempt_timeout_ms == 0 || !task.started || task.timed_out) return INT64_MAX;
  return task.started_at_ms + task.spec.attempt_timeout_ms + options_.attempt_timeout_grace_ms;
}

void Model::Stop(const ModelTask& task, StopReason reason) {
  if (task.worker.empty()) return;
  const CallId call = workers_.at(task.worker).call;
  if (call != CallId{}) Say(StopAttempt{call, task.token, reason});
}

void Model::Changed(const ModelTask& task) {
  if (task.watched) Say(TaskChanged{task.id});
}

void Model::Enter(ModelTask& task) {
  task.state = RunAt(task) > now_ms_ ? TaskState::kScheduled : TaskState::kQueued;
  task.queued_at_ms = now_ms_;
  task.doomed = false;
}

void Model::EndLease(ModelTask& task) {
  task.last_token = task.token;
  task.token = Token{};
  task.worker.clear();
  task.timed_out = false;
}

void Model::Requeue(ModelTask& task) {
  EndLease(task);
  Enter(task);
  Changed(task);
}

void Model::Finish(ModelTask& task, TaskState state, int32_t attempts, TaskError error,
                   BodyPart body) {
  FinishedRow row;
  row.id = task.id;
  row.queue = std::make_shared<const std::string>(task.spec.queue);
  row.type = std::make_shared<const std::string>(task.spec.type);
  row.state = state;
  row.attempts = attempts;
  row.max_attempts = task.spec.max_attempts;
  row.payload_bytes = task.spec.payload_bytes;
  row.body = std::move(body);
  row.drop_at_ms = now_ms_ + task.spec.result_ttl_ms;
  if (!task.spec.request_key.empty()) {
    keys_.at({task.spec.queue, task.spec.request_key}).finished_this_turn = true;
    row.drop_at_ms =
        std::max(row.drop_at_ms, task.submitted_at_ms + options_.request_key_window_ms);
  }
  row.expires_at_ms = row.drop_at_ms + wall_set_by_ms_;
  if (state == TaskState::kCancelled) error.type = "Cancelled";
  row.error = error;
  Say(TaskFinished{std::make_shared<const FinishedRow>(row)});
  ModelQueue& queue = queues_.at(task.spec.queue);
  if (state == TaskState::kFailed && queue.config.dead_letters.max_tasks > 0) {
    queue.letters.push_back({task.id, task.spec.type, error.type, now_ms_});
  }
  finished_this_turn_.insert(task.id);
  tasks_.erase(TaskId(task.id));
}

void Model::FailAttempt(ModelTask& task, TaskError error, bool at_once) {
  error.worker = task.holder;
  error.attempt = ++task.spent;
  task.losses = task.returns = 0;
  const int64_t leased_at_ms = task.granted_at_ms + wall_set_by_ms_;
  const int64_t started_at_ms = task.started ? task.started_at_ms + wall_set_by_ms_ : 0;
  task.failed.push_back({error, 0, leased_at_ms, started_at_ms, now_ms_ + wall_set_by_ms_});
  if (task.cancel_requested) {
    return Finish(task, TaskState::kCancelled, task.spent, TaskError());
  }
  const RetryPolicy policy = task.spec.retry ? *task.spec.retry : RetryPolicy();
  const auto& never = policy.no_retry_error_types;
  if (task.spent >= task.spec.max_attempts || error.permanent ||
      std::find(never.begin(), never.end(), error.type) != never.end()) {
    return Finish(task, TaskState::kFailed, task.spent, error);
  }
  // The random tests use no jitter.
  double delay = static_cast<double>(policy.initial_delay_ms);
  for (int32_t n = 1; n < task.spent; ++n) delay *= policy.multiplier;
  delay = std::min(delay, static_cast<double>(policy.max_delay_ms));
  const int64_t wait_ms = error.retry_after_ms.value_or(static_cast<int64_t>(delay));
  task.run_at_ms = at_once ? 0 : now_ms_ + wait_ms;
  task.run_at_is_date = false;
  Requeue(task);
}

void Model::GiveBack(ModelTask& task) {
  if (task.cancel_requested) {
    return Finish(task, TaskState::kCancelled, task.spent, TaskError());
  }
  task.run_at_ms = 0;
  task.run_at_is_date = false;
  if (!task.started) {
    ++task.returns;
    const int64_t waits[] = {0, 0, 0, 0, 0, 0, 100, 200, 400, 800, 1'600, 3'200, 6'400, 12'800};
    const int64_t wait_ms = task.returns < 14    ? waits[task.returns]
                            : task.returns == 14 ? 25'600
                                                 : 30'000;
    if (wait_ms > 0) task.run_at_ms = now_ms_ + wait_ms;
  }
  Requeue(task);
}

void Model::LoseLease(ModelTask& task) {
  if (task.cancel_requested) {
    return Finish(task, TaskState::kCancelled, task.spent + (task.started ? 1 : 0), TaskError());
  }
  task.suspect = true;
  TaskError error;
  if (task.timed_out) {
    error.type = "AttemptTimeout";
    return FailAttempt(task, error, /*at_once=*/false);
  }
  if (!task.started && ++task.losses < options_.unexplained_losses_max) {
    task.run_at_ms = 0;
    task.run_at_is_date = false;
    return Requeue(task);
  }
  error.type = "WorkerLost";
  FailAttempt(task, error, /*at_once=*/true);
}

}  // namespace treadle::engine
