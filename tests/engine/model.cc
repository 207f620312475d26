#include "tests/engine/model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"

namespace treadle::engine {
namespace {

absl::Status Code(absl::StatusCode code) { return absl::Status(code, "model"); }

std::string Text(const absl::Status& status) { return absl::StatusCodeToString(status.code()); }
uint64_t Number(CallId call) { return static_cast<uint64_t>(call); }
uint64_t Number(Token token) { return static_cast<uint64_t>(token); }

struct VisibleText {
  std::string operator()(const QueueChanged& e) const {
    return absl::StrCat("queue-changed ", Number(e.call), " ", e.name, " ", Text(e.status), " ",
                        e.cancelled_tasks);
  }
  std::string operator()(const SessionOpened& e) const {
    return absl::StrCat("session-opened ", Number(e.call), " ", e.session, " ", e.resumed, " ",
                        e.secret.low, " ", Text(e.status));
  }
  std::string operator()(const Submitted& e) const {
    return absl::StrCat("submitted ", Number(e.call), " ", e.item, " ", e.id.ToString(), " ",
                        Text(e.status), e.existing ? " existing" : "",
                        e.no_worker ? " no-worker" : "");
  }
  std::string operator()(const CancelDone& e) const {
    return absl::StrCat("cancel-done ", Number(e.call), " ", e.task.ToString(), " ",
                        Text(e.status));
  }
  std::string operator()(const WorkerAttached& e) const {
    std::string text = absl::StrCat("attached ", Number(e.call), " ", Text(e.status));
    for (const Token token : e.revoked_tokens) absl::StrAppend(&text, " ", Number(token));
    return text;
  }
  std::string operator()(const DrainAsked& e) const {
    return absl::StrCat("drain-asked ", Number(e.call));
  }
  std::string operator()(const DrainChanged& e) const {
    return absl::StrCat("drain-changed ", Number(e.call), " ", Text(e.status));
  }
  std::string operator()(const WorkersReleased& e) const {
    return absl::StrCat("workers-released ", Number(e.call), " ", Text(e.status));
  }
  std::string operator()(const QuarantineNews& e) const {
    return absl::StrCat("quarantine ", e.worker_id);
  }
  std::string operator()(const Dispatched& e) const {
    return absl::StrCat("dispatched ", Number(e.call), " ", e.leases.size());
  }
  std::string operator()(const StopAttempt& e) const {
    return absl::StrCat("stop ", Number(e.call), " ", Number(e.token), " ",
                        static_cast<int>(e.reason));
  }
  std::string operator()(const ReportDone& e) const {
    return absl::StrCat("report-done ", Number(e.call), " ", e.item, " ", Number(e.token), " ",
                        Text(e.status));
  }
  std::string operator()(const ReportsHandled& e) const {
    return absl::StrCat("reports-handled ", Number(e.call), " ", e.sequence);
  }
  std::string operator()(const LeaseExtended& e) const {
    return absl::StrCat("extended ", Number(e.call), " ", Number(e.token), " ", Text(e.status), " ",
                        static_cast<int>(e.stop), " ", e.lease_ms);
  }
  std::string operator()(const TaskFinished& e) const {
    const FinishedRow& row = *e.row;
    return absl::StrCat("finished ", row.id.ToString(), " ", *row.queue, "/", *row.type, " ",
                        static_cast<int>(row.state), " ", row.attempts, "/", row.max_attempts,
                        " until ", row.drop_at_ms, " ", row.expires_at_ms, " payload ",
                        row.payload_bytes, " result ", row.body.begin, "+", row.body.bytes, " ",
                        row.error.type, " ", row.error.worker, " ", row.error.attempt);
  }
  std::string operator()(const TaskChanged& e) const {
    return absl::StrCat("changed ", e.task.ToString());
  }
  std::string operator()(const CompactionDue& e) const {
    return absl::StrCat("compaction-due ", e.run.ToString());
  }
  std::string operator()(const LetterMovesDue& e) const {
    return absl::StrCat("moves-due ", e.moves.size());
  }
  std::string operator()(const LettersWanted& e) const {
    return absl::StrCat("letters-wanted ", e.wanted.size());
  }
  std::string operator()(const LettersTaken& e) const {
    std::string text = absl::StrCat("letters-taken ", Number(e.call));
    for (const LettersTaken::Taken& taken : e.letters) {
      absl::StrAppend(&text, " ", Text(taken.status), "/", taken.redriven_as.ToString());
    }
    return text;
  }
  std::string operator()(const JobChanged& e) const {
    return absl::StrCat("job-changed ", Number(e.call), " ", e.job, " ", Text(e.status));
  }
  std::string operator()(const JobLettersWanted& e) const {
    return absl::StrCat("job-letters-wanted ", e.job);
  }
  std::string operator()(const JobTasksWanted& e) const {
    return absl::StrCat("job-tasks-wanted ", e.job);
  }
  std::string operator()(const SweepDue& e) const { return "sweep-due " + e.queue; }
  std::string operator()(const EndCall& e) const {
    return absl::StrCat("end-call ", Number(e.call), " ", Text(e.status));
  }
};

}  // namespace

std::string Visible(const Event& event) { return std::visit(VisibleText(), event); }

void Model::Say(Event event) { said_.push_back(Visible(event)); }

std::vector<std::string> Model::TakeSaid() {
  std::sort(said_.begin(), said_.end());
  return std::exchange(said_, {});
}

void Model::Step(int64_t now_ms, const Command& command) {
  now_ms_ = now_ms;
  std::visit([this](const auto& one) { Apply(one); }, command);
  Serve(/*late=*/false);
  RetireIdle();
  NoteServed();
}

void Model::Apply(const BeginLife& command) {
  const uint64_t first = static_cast<uint64_t>(command.incarnation);
  if (first > next_session_) {
    next_session_ = first;
  } else if (next_token_ > 1) {
    next_session_ += uint64_t{1} << 24;
  }
  if (first > next_token_) {
    next_token_ = first;
  } else if (next_token_ > 1) {
    next_token_ += uint64_t{1} << 24;
  }
}

void Model::Apply(const CreateQueue& command) {
  const std::string& name = command.config.name;
  absl::Status status;
  if (command.config.max_tasks < 1 || command.config.max_bytes < 1) {
    status = Code(absl::StatusCode::kInvalidArgument);
  } else if (queues_.contains(name)) {
    if (queues_[name].config != command.config) status = Code(absl::StatusCode::kAlreadyExists);
  } else if (static_cast<int64_t>(queues_.size()) >= options_.queues_max) {
    status = Code(absl::StatusCode::kResourceExhausted);
  } else {
    queues_[name].config = command.config;
  }
  Say(QueueChanged{command.call, status, name});
}

void Model::Apply(const UpdateQueue& command) {
  const auto queue = queues_.find(command.name);
  if (queue == queues_.end()) {
    return Say(QueueChanged{command.call, Code(absl::StatusCode::kNotFound), command.name});
  }
  QueueConfig& config = queue->second.config;
  DeadLetterPolicy& letters = config.dead_letters;
  if (command.max_tasks.value_or(1) < 1 || command.max_bytes.value_or(1) < 1 ||
      command.dead_letters_max_tasks.value_or(1) < 0 ||
      command.dead_letters_ttl_ms.value_or(1) < 1 ||
      command.fail_unserved_after_ms.value_or(0) < 0) {
    return Say(QueueChanged{command.call, Code(absl::StatusCode::kInvalidArgument), command.name});
  }
  config.max_tasks = command.max_tasks.value_or(config.max_tasks);
  config.max_bytes = command.max_bytes.value_or(config.max_bytes);
  letters.max_tasks = command.dead_letters_max_tasks.value_or(letters.max_tasks);
  letters.ttl_ms = command.dead_letters_ttl_ms.value_or(letters.ttl_ms);
  config.fail_unserved_after_ms =
      command.fail_unserved_after_ms.value_or(config.fail_unserved_after_ms);
  queue->second.closed = command.closed.value_or(queue->second.closed);
  DropWaiters(absl::StatusCode::kFailedPrecondition, [&](const ModelWaiter& waiter) {
    return waiter.submit.spec.queue == command.name && queue->second.closed;
  });
  DropWaiters(absl::StatusCode::kInvalidArgument, [&](const ModelWaiter& waiter) {
    return waiter.submit.spec.queue == command.name &&
           waiter.submit.spec.payload_bytes > static_cast<uint64_t>(config.max_bytes);
  });
  Say(QueueChanged{command.call, absl::OkStatus(), command.name});
}

void Model::Apply(const DeleteQueue& command) {
  const auto queue = queues_.find(command.name);
  if (queue == queues_.end()) {
    return Say(QueueChanged{command.call, Code(absl::StatusCode::kNotFound), command.name});
  }
  const bool in_use = std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& task) {
    return task.second.spec.queue == command.name;
  });
  if (in_use || !queue->second.line.empty() || !queue->second.letters.empty()) {
    return Say(
        QueueChanged{command.call, Code(absl::StatusCode::kFailedPrecondition), command.name});
  }
  for (const CallId purge : queue->second.purges) {
    Say(QueueChanged{purge, absl::OkStatus(), command.name, 0});
  }
  queues_.erase(queue);
  Say(QueueChanged{command.call, absl::OkStatus(), command.name});
}

// Those that were looked at go, the oldest first, until what is left may stay. Of those that failed
// at one moment, which one is older is the engine's choice.
void Model::Apply(const SweepDeadLetters& command) {
  ModelQueue& queue = queues_.at(command.queue);
  const DeadLetterPolicy& policy = queue.config.dead_letters;
  for (const DeadLetterRow& letter : command.letters) {
    const auto oldest =
        std::find_if(queue.letters.begin(), queue.letters.end(),
                     [&letter](const ModelLetter& known) { return known.id == letter.id; });
    TREADLE_ASSERT(oldest != queue.letters.end() &&
                   oldest->since_ms == queue.letters.front().since_ms);
    const bool too_many = static_cast<int64_t>(queue.letters.size()) > policy.max_tasks;
    if (!too_many && oldest->since_ms + policy.ttl_ms > now_ms_) return;
    queue.letters.erase(oldest);
  }
}

void Model::Apply(const PauseQueue& command) {
  const auto queue = queues_.find(command.name);
  absl::Status status;
  if (queue == queues_.end()) {
    status = Code(absl::StatusCode::kNotFound);
  } else if (command.paused) {
    queue->second.paused = true;
    queue->second.resume_at_ms = command.for_ms > 0 ? now_ms_ + command.for_ms : INT64_MAX;
  } else if (queue->second.paused) {
    Resume(queue->second);
  }
  Say(QueueChanged{command.call, status, command.name});
}

void Model::Resume(ModelQueue& queue) {
  queue.paused = false;
  queue.resume_at_ms = INT64_MAX;
  queue.resumed_at_ms = now_ms_;
}

void Model::Apply(const PurgeQueue& command) {
  const auto queue = queues_.find(command.name);
  if (queue == queues_.end()) {
    return Say(QueueChanged{command.call, Code(absl::StatusCode::kNotFound), command.name});
  }
  queue->second.purges.push_back(command.call);
  for (auto& [id, task] : tasks_) {
    if (task.spec.queue == command.name && task.state != TaskState::kRunning) task.doomed = true;
  }
}

ModelSession* Model::SessionOf(CallId call) {
  for (auto& [id, session] : sessions_) {
    if (session.call == call) return &session;
  }
  return nullptr;
}

bool Model::IsOpen(CallId call) { return SessionOf(call) != nullptr || WorkerOf(call) != nullptr; }

void Model::Apply(const OpenSession& command) {
  if (IsOpen(command.call)) {
    return Say(EndCall{command.call, Code(absl::StatusCode::kInvalidArgument)});
  }
  if (command.for_unary) {
    return Say(SessionOpened{command.call, absl::OkStatus(), next_session_++});
  }
  if (command.session == 0) {
    if (static_cast<int64_t>(sessions_.size()) >= options_.sessions_max) {
      return Say(SessionOpened{command.call, Code(absl::StatusCode::kResourceExhausted)});
    }
    sessions_[next_session_].call = command.call;
    sessions_[next_session_].secret = command.secret;
    return Say(
        SessionOpened{command.call, absl::OkStatus(), next_session_++, false, command.secret});
  }
  const auto session = sessions_.find(command.session);
  if (session == sessions_.end() || session->second.secret != command.secret) {
    return Say(SessionOpened{command.call, Code(absl::StatusCode::kNotFound), command.session});
  }
  if (session->second.call != CallId{}) {
    Say(EndCall{session->second.call, Code(absl::StatusCode::kAborted)});
    for (auto& [name, queue] : queues_) {
      for (auto& group : queue.line) {
        for (ModelWaiter& waiter : group) {
          if (waiter.submit.call == session->second.call) waiter.submit.call = command.call;
        }
      }
    }
  }
  session->second.call = command.call;
  Say(SessionOpened{command.call, absl::OkStatus(), command.session, true, command.secret});
}

void Model::Apply(const AcknowledgeSession& command) {
  ModelSession* const session = SessionOf(command.call);
  if (session == nullptr || command.below <= session->floor) return;
  const uint64_t newest =
      session->accepted.empty() ? session->floor - 1 : *session->accepted.rbegin();
  if (command.below > newest + static_cast<uint64_t>(options_.session_gap_max) + 1) {
    return Say(EndCall{command.call, Code(absl::StatusCode::kInvalidArgument)});
  }
  session->floor = command.below;
  std::erase_if(session->accepted, [&](uint64_t sequence) { return sequence < command.below; });
}

void Model::Apply(const CloseSession& command) {
  if (SessionOf(command.call) == nullptr) return;
  DropWaiters(absl::StatusCode::kCancelled,
              [&](const ModelWaiter& waiter) { return waiter.submit.call == command.call; });
  std::erase_if(sessions_, [&](const auto& one) { return one.second.call == command.call; });
}

void Model::DropEmptySessions() {
  std::map<uint64_t, uint64_t> empty;  // numbers by their places
  for (const auto& [id, session] : sessions_) {
    if (session.call == CallId{} && !session.had_task) empty[session.left] = id;
  }
  const int64_t max = std::min(options_.empty_sessions_max, options_.sessions_max / 10);
  for (auto oldest = empty.begin(); static_cast<int64_t>(empty.size()) > max;) {
    sessions_.erase(oldest->second);
    oldest = empty.erase(oldest);
  }
}

void Model::Apply(const CallClosed& command) {
  if (ModelSession* const session = SessionOf(command.call)) {
    session->call = CallId{};
    session->expires_at_ms = now_ms_ + options_.resume_window_ms;
    session->left = next_left_++;
    if (!session->had_task) DropEmptySessions();
  }
  DropWaiters(absl::StatusCode::kCancelled,
              [&](const ModelWaiter& waiter) { return waiter.submit.call == command.call; });
  if (ModelWorker* const worker = WorkerOf(command.call)) Detach(*worker);
  polls_.erase(command.call);
}

void Model::Apply(const Cancel& command) {
  CancelDone done{command.call, command.item, command.task};
  const auto task = tasks_.find(command.task);
  if (task == tasks_.end()) {
    bool waited = false;
    DropWaiters(absl::StatusCode::kCancelled, [&](const ModelWaiter& waiter) {
      const bool it = waiter.submit.id == command.task;
      waited |= it;
      return it;
    });
    if (!waited && !finished_this_turn_.contains(command.task)) {
      done.status = Code(absl::StatusCode::kNotFound);
    }
  } else if (task->second.state != TaskState::kRunning) {
    Finish(task->second, TaskState::kCancelled, task->second.spent, TaskError());
  } else if (!task->second.cancel_requested) {
    task->second.cancel_requested = true;
    Stop(task->second, StopReason::kCancelled);
    Changed(task->second);
  }
  Say(done);
}

void Model::Apply(const WatchTask& command) {
  const auto task = tasks_.find(command.task);
  if (task != tasks_.end()) task->second.watched = command.watch;
}

std::vector<CallId> Model::WaitingCalls() const {
  std::vector<CallId> calls;
  for (const auto& [name, queue] : queues_) {
    for (const auto& group : queue.line) {
      for (const ModelWaiter& waiter : group) calls.push_back(waiter.submit.call);
    }
  }
  return calls;
}

void Model::Restart(int64_t now_ms) {
  taken_.clear();
  served_.clear();
  now_ms_ = loaded_at_ms_ = now_ms;
  polls_.clear();
  for (auto& [name, queue] : queues_) {
    queue.line.clear();
    queue.purges.clear();
  }
  for (auto& [id, session] : sessions_) {
    session.call = CallId{};
    session.expires_at_ms = now_ms + options_.resume_window_ms;
    session.left = next_left_++;
    session.had_task = session.floor > 1 || !session.accepted.empty();
  }
  for (auto& [id, worker] : workers_)
    worker = ModelWorker{CallId{}, worker.name, {}, {}, false, now_ms};
  for (auto& [id, task] : tasks_) {
    task.watched = false;
    if (task.state != TaskState::kRunning) {
      task.state = RunAt(task) > now_ms ? TaskState::kScheduled : TaskState::kQueued;
    } else if (task.worker.empty()) {
      task.started_at_ms = task.granted_at_ms;
      task.expires_at_ms = now_ms + task.lease_ms;
    } else {
      task.started = task.timed_out = false;
    }
  }
  RetireIdle();
}

void Model::CheckExplained(const Engine& engine, TaskId id, const ModelTask& task,
                           int64_t now_ms) const {
  const std::optional<Explanation> why = engine.Explain(id);
  TREADLE_ASSERT(why && !why->reasons.empty());
  int64_t lost_ms = 0;
  for (const LostTime& one : why->lost) lost_ms += one.ms;
  TREADLE_ASSERT(lost_ms == std::max<int64_t>(0, now_ms - task.submitted_at_ms));
  const Reason first = why->reasons.front().reason;
  switch (task.state) {
    case TaskState::kRunning:
      TREADLE_ASSERT(first == Reason::kRuns || first == Reason::kStops || first == Reason::kHeld ||
                     first == Reason::kHolderAway);
      break;
    case TaskState::kScheduled:
      TREADLE_ASSERT(first == (task.spent > 0 ? Reason::kBacksOff : Reason::kDelayed));
      break;
    default:
      TREADLE_ASSERT(first >= Reason::kPurged);
      TREADLE_ASSERT(first == Reason::kPurged ||
                     (first == Reason::kPaused) == queues_.at(task.spec.queue).paused);
  }
}

// The first three and the last five.
void CheckFailed(const std::vector<FailedAttempt>& all, const std::vector<FailedAttempt>& kept) {
  TREADLE_ASSERT(kept.size() == std::min<size_t>(all.size(), 8));
  for (size_t i = 0; i < kept.size(); ++i) {
    const FailedAttempt& expected = i < 3 ? all[i] : all[all.size() - kept.size() + i];
    TREADLE_ASSERT(kept[i].error.type == expected.error.type &&
                   kept[i].error.attempt == expected.error.attempt &&
                   kept[i].error.worker == expected.error.worker);
    TREADLE_ASSERT(kept[i].leased_at_ms == expected.leased_at_ms &&
                   kept[i].started_at_ms == expected.started_at_ms &&
                   kept[i].ended_at_ms == expected.ended_at_ms);
    // The clock may have been set meanwhile, by less.
    TREADLE_ASSERT(kept[i].runnable_at_ms <= kept[i].leased_at_ms + 40'000);
  }
}

void Model::CheckLetters(const Engine& engine, const std::string& name, const ModelQueue& queue,
                         const QueueView& view) const {
  TREADLE_ASSERT(view.dead_letters == static_cast<int64_t>(queue.letters.size()));
  std::map<std::pair<std::string, std::string>, int64_t> expected;
  for (const ModelLetter& letter : queue.letters) ++expected[{letter.type, letter.error_type}];
  std::map<std::pair<std::string, std::string>, int64_t> counted;
  for (const LetterGroupView& group : engine.ListLetterGroups(name, 0, 1'000)) {
    counted[{*group.group.type, group.group.error_type}] += group.group.count;
  }
  TREADLE_ASSERT(counted == expected);
}

void Model::CheckViews(const Engine& engine, int64_t now_ms) const {
  const EngineTotals totals = engine.Totals();
  TREADLE_ASSERT(totals.unfinished_tasks == static_cast<int64_t>(tasks_.size()));
  TREADLE_ASSERT(totals.queues == static_cast<int64_t>(queues_.size()));
  TREADLE_ASSERT(totals.workers == static_cast<int64_t>(workers_.size()));
  TREADLE_ASSERT(totals.sessions == static_cast<int64_t>(sessions_.size()));
  for (const auto& [id, task] : tasks_) {
    const std::optional<TaskView> view = engine.FindTask(id);
    TREADLE_ASSERT(view && view->state == task.state);
    TREADLE_ASSERT(view->attempts == task.spent + (task.state == TaskState::kRunning ? 1 : 0));
    TREADLE_ASSERT(view->cancel_requested == task.cancel_requested);
    const int64_t deadline_ms = Deadline(task);
    TREADLE_ASSERT(view->deadline_at_ms ==
                   (deadline_ms == INT64_MAX ? 0 : deadline_ms + wall_set_by_ms_));
    TREADLE_ASSERT(view->run_at_ms ==
                   (task.state == TaskState::kScheduled ? RunAt(task) + wall_set_by_ms_ : 0));
    TREADLE_ASSERT(view->submitted_at_ms == task.submitted_at_ms + wall_set_by_ms_);
    TREADLE_ASSERT(view->worker == (task.state == TaskState::kRunning ? task.holder : ""));
    CheckFailed(task.failed, view->failed);
    CheckExplained(engine, id, task, now_ms);
  }
  for (const auto& [name, queue] : queues_) {
    const std::optional<QueueView> view = engine.FindQueue(name, now_ms);
    TREADLE_ASSERT(view && view->config == queue.config &&
                   (view->pause.since_ms != 0) == queue.paused);
    TREADLE_ASSERT(view->closed == queue.closed);
    CheckLetters(engine, name, queue, *view);
    int64_t counts[4] = {};
    int64_t bytes = 0;
    for (const auto& [id, task] : tasks_) {
      if (task.spec.queue != name) continue;
      ++counts[static_cast<int>(task.state)];
      if (task.state != TaskState::kRunning) bytes += static_cast<int64_t>(task.spec.payload_bytes);
    }
    TREADLE_ASSERT(view->scheduled == counts[1] && view->queued == counts[2] &&
                   view->running == counts[3] && view->waiting_bytes == bytes);
    TREADLE_ASSERT(view->waiting_submitters == WaitersOf(name));
  }
  for (const WorkerView& view : engine.ListWorkers("", 1000)) {
    const ModelWorker& worker = workers_.at(view.worker_id);
    TREADLE_ASSERT(view.connected == (worker.call != CallId{}));
    for (size_t i = 0; i < view.pools.size(); ++i) {
      TREADLE_ASSERT(view.pools[i].free == worker.pools[i].credit);
    }
  }
}

}  // namespace treadle::engine
