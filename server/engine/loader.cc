#include "server/engine/loader.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#define TREADLE_RETURN_IF_ERROR(expression)                              \
  do {                                                                   \
    if (absl::Status status = (expression); !status.ok()) return status; \
  } while (false)

namespace treadle::engine {
namespace {

template <typename... Parts>
absl::Status Contradiction(const Parts&... parts) {
  return absl::DataLossError(absl::StrCat("stored rows contradict each other: ", parts...,
                                          "; the store is damaged: restore it from a backup"));
}

}  // namespace

absl::Status Loader::Load(const Row& row) {
  return std::visit([this](const auto& one) { return Take(one); }, row);
}

absl::Status Loader::Take(const MetaRow& row) {
  if (has_meta_) return Contradiction("two rows of counters");
  has_meta_ = true;
  s_.counters = row;
  return absl::OkStatus();
}

absl::Status Loader::Take(const QueueRow& row) {
  Queue& queue = s_.queues.Obtain(row.config.name);
  if (queue.declared) return Contradiction("two rows for queue '", row.config.name, "'");
  if (row.config.max_tasks < 1 || row.config.max_bytes < 1) {
    return Contradiction("queue '", row.config.name, "' has no positive bounds");
  }
  s_.queues.Declare(queue, row.config, row.created_at_ms);
  s_.queue_shares.Take(queue.origin);
  queue.pause = row.pause;
  queue.closed = row.closed;
  queue.version = row.version;
  pauses_.Follow(queue);
  return absl::OkStatus();
}

absl::Status Loader::Take(const TaskRow& row) {
  const TaskSpec& spec = row.spec;
  if (row.id.session == 0 || row.id.sequence == 0 || row.order == 0 || spec.max_attempts < 1) {
    return Contradiction("the row of task ", row.id.ToString(), " is not one of an accepted task");
  }
  auto task = std::make_unique<Task>();
  task->id = row.id;
  task->order = row.order;
  task->submitted_at_ms = row.submitted_at_ms;
  task->TakeSpec(spec);
  if (!row.payload_sizes.empty()) {
    task->count = static_cast<uint32_t>(row.payload_sizes.size());
    task->run = std::make_shared<TaskRun>(row.id, PayloadSizes(row.payload_sizes));
    if (task->has_key() || task->payload_bytes != task->run->sizes.BeginOf(task->count)) {
      return Contradiction("the row of the run that begins with task ", row.id.ToString(),
                           " is not one of an accepted run");
    }
  }
  task->line = &lifecycle_.ObtainLine(s_.queues.Obtain(spec.queue), spec.type, task->count);
  if (s_.tasks.Find(row.id) != nullptr) {
    return Contradiction("two rows for task ", row.id.ToString());
  }
  if (!s_.tasks.Add(std::move(task))) {
    return Contradiction("two tasks have the same place in submit order");
  }
  return absl::OkStatus();
}

absl::Status Loader::Take(const RunRow& row) {
  run_rows_.push_back(row);
  return absl::OkStatus();
}

absl::Status Loader::Take(const AttemptRow& row) {
  attempts_.push_back(row);
  return absl::OkStatus();
}

absl::Status Loader::Take(const GrantRow& row) {
  grants_.push_back(row);
  return absl::OkStatus();
}

absl::Status Loader::Take(const SessionRow& row) {
  if (row.session == 0 || row.floor == 0) return Contradiction("a session without a number");
  if (s_.sessions.Find(row.session) != nullptr) {
    return Contradiction("two rows for session ", row.session);
  }
  Session& session = s_.sessions.Add(row.session, row.secret);
  session.fresh = false;
  session.had_task = row.floor > 1 || !row.accepted.empty();
  s_.session_shares.Take(session.origin);
  session.floor = row.floor;
  if (!session.accepted.Assign(row.accepted) ||
      (!row.accepted.empty() && row.accepted.front().first < row.floor)) {
    return Contradiction("session ", row.session,
                         " has accepted sequences that are no ascending ranges above its floor");
  }
  return absl::OkStatus();
}

absl::Status Loader::Take(const ReportsRow& row) {
  reports_.push_back(row);
  return absl::OkStatus();
}

absl::Status Loader::Take(const LetterGroupRow& row) {
  Queue& queue = s_.queues.Obtain(*row.queue);
  if (row.group.count < 1 || !letters_.AddLoaded(queue, row)) {
    return Contradiction("a group of dead letters of queue '", *row.queue, "' is there twice");
  }
  return absl::OkStatus();
}

absl::Status Loader::Take(const LetterMoveRow& row) {
  letter_moves_.push_back(row);
  return absl::OkStatus();
}

absl::Status Loader::Take(const JobRow& row) {
  if (row.id == 0 || s_.jobs.all.contains(row.id)) {
    return Contradiction("two rows for job ", row.id);
  }
  if (absl::Status s = jobs_.AddLoaded(row); !s.ok()) {
    return Contradiction("the filter of job ", row.id, " is none: ", s.message());
  }
  return absl::OkStatus();
}

absl::Status Loader::Take(const DrainRow& row) {
  if (row.id == 0 || !drains_.AddLoaded(row)) return Contradiction("two rows for drain ", row.id);
  return absl::OkStatus();
}

absl::Status Loader::Finish(int64_t now_ms) {
  s_.now_ms = s_.loaded_at_ms = now_ms;
  TREADLE_RETURN_IF_ERROR(FinishQueues());
  DropDeadTasks();
  TREADLE_RETURN_IF_ERROR(FinishTasks());
  TREADLE_RETURN_IF_ERROR(FinishRuns());
  TREADLE_RETURN_IF_ERROR(FinishLetterMoves());
  TREADLE_RETURN_IF_ERROR(FinishAttempts());
  TREADLE_RETURN_IF_ERROR(FinishGrants(now_ms));
  TREADLE_RETURN_IF_ERROR(FinishReports());
  TREADLE_RETURN_IF_ERROR(FinishSessions(now_ms));
  return EnterTasks(now_ms);
}

absl::Status Loader::FinishQueues() {
  for (const auto& [name, queue] : s_.queues.all()) {
    if (!queue->declared)
      return Contradiction("there are tasks in queue '", name, "', but no row of the queue");
  }
  letters_.FinishLoad();
  return absl::OkStatus();
}

void Loader::DropDeadTasks() {
  for (const LetterMoveRow& row : letter_moves_) {
    if (row.id != row.row) continue;  // its run says that it has ended
    Task* const task = s_.tasks.Find(row.id);
    if (task == nullptr || task->run != nullptr) continue;
    dead_bytes_[row.id] = task->payload_bytes;
    lifecycle_.ReturnLine(*task);
    s_.tasks.Drop(*task);
  }
}

absl::Status Loader::FinishLetterMoves() {
  for (const LetterMoveRow& row : std::exchange(letter_moves_, {})) {
    const auto contradiction = [&row] {
      return Contradiction("task ", row.id.ToString(), " is a dead letter of queue '", *row.queue,
                           "', and no row has its payload");
    };
    if (row.letter >= s_.counters.next_letter || s_.tasks.Find(row.id) != nullptr) {
      return contradiction();
    }
    const auto bytes = dead_bytes_.find(row.id);
    const auto run = begun_runs_.find(row.row);
    if (bytes == dead_bytes_.end() && run == begun_runs_.end()) return contradiction();
    const bool added = bytes != dead_bytes_.end()
                           ? letters_.AddLoaded(row, nullptr, bytes->second)
                           : letters_.AddLoaded(row, run->second, run->second->bytes());
    if (!added) return contradiction();
  }
  for (const auto& [id, run] : begun_runs_) {
    if (run->over()) {
      return Contradiction("the run that begins with task ", id.ToString(), " has ended");
    }
  }
  begun_runs_.clear();
  dead_bytes_.clear();
  return absl::OkStatus();
}

absl::Status Loader::FinishTasks() {
  absl::Status status;
  uint64_t next_order = 0;
  const Task* before = nullptr;
  s_.tasks.ForEach([&](const Task& task) {
    if (!status.ok()) return;
    if (task.order < next_order || (before != nullptr && before->Holds(task.id))) {
      status = Contradiction("task ", task.id.ToString(), " is also in a run before it");
    } else {
      status = FinishTask(task);
    }
    next_order = task.order + task.count;
    before = &task;
  });
  return status;
}

absl::Status Loader::FinishRuns() {
  for (const RunRow& row : std::exchange(run_rows_, {})) TREADLE_RETURN_IF_ERROR(FinishRun(row));
  return absl::OkStatus();
}

absl::Status Loader::FinishRun(const RunRow& row) {
  Task* const found = s_.tasks.Find(row.id);
  const auto contradiction = [&] {
    return Contradiction("what has ended of the run that begins with task ", row.id.ToString(),
                         " is no part of it");
  };
  if (found == nullptr || found->run == nullptr || found->run->has_row) return contradiction();
  const std::shared_ptr<TaskRun> run = found->run;
  run->has_row = true;
  if (!run->finished.Assign(row.finished)) return contradiction();
  for (const auto& [first, last] : row.finished) {
    const auto tasks = static_cast<uint32_t>(last - first + 1);
    Task* const task = FindApart(TaskId{row.id.session, first}, tasks);
    if (task == nullptr || task->run != run || task->count != tasks) return contradiction();
    run->unfinished -= tasks;
    run->unfinished_bytes -= task->payload_bytes;
    lifecycle_.ReturnLine(*task);
    s_.tasks.Drop(*task);
  }
  runs_.Loaded(run, s_.now_ms);
  begun_runs_[run->first] = run;
  return absl::OkStatus();
}

Task* Loader::FindApart(TaskId id, uint32_t tasks) {
  Task* task = s_.tasks.Find(id);
  if (task == nullptr) return nullptr;
  if (const auto before = static_cast<uint32_t>(id.sequence - task->id.sequence); before > 0) {
    task = &s_.tasks.SplitAfter(*task, before);
  }
  if (task->count > tasks) s_.tasks.SplitAfter(*task, tasks);
  return task;
}

absl::Status Loader::FinishTask(const Task& task) {
  const auto id = [&] { return task.id.ToString(); };
  if (task.order + task.count > s_.counters.next_order ||
      task.id.session >= s_.counters.next_session) {
    return Contradiction("task ", id(), " is newer than the counters");
  }
  const Queue& queue = task.queue();
  if (task.priority != 0 && queue.config.discipline != Discipline::kPriority) {
    return Contradiction("task ", id(), " has a priority in queue '", *queue.name,
                         "', which knows none");
  }
  if (task.has_key() &&
      !s_.keys.Add(*queue.name, task.extras->request_key, {task.id, task.extras->digest})) {
    return Contradiction("task ", id(), " has the request key of another one");
  }
  return absl::OkStatus();
}

absl::Status Loader::FinishAttempts() {
  for (AttemptRow& row : attempts_) {
    Task* const task = FindApart(row.id, 1);
    const auto id = [&] { return row.id.ToString(); };
    if (task == nullptr) return Contradiction("attempts of task ", id(), ", which has no row");
    if (task->has_attempt_row) return Contradiction("two rows of attempts of task ", id());
    if (row.attempts_spent < 0 || row.attempts_spent >= task->max_attempts) {
      return Contradiction("task ", id(), " has spent ", row.attempts_spent, " of ",
                           task->max_attempts, " attempts and has not ended");
    }
    if (static_cast<uint64_t>(row.last_token) >= s_.counters.next_token) {
      return Contradiction("the token of task ", id(), " is newer than the counters");
    }
    task->has_attempt_row = true;
    task->attempts_spent = row.attempts_spent;
    if (row.losses < 0 || row.losses > UINT8_MAX || row.returns < 0 || row.returns > UINT8_MAX) {
      return Contradiction("task ", id(), " has lost more leases than are counted");
    }
    task->losses = static_cast<uint8_t>(row.losses);
    task->returns = static_cast<uint8_t>(row.returns);
    task->last_token = row.last_token;
    task->RunNotBefore(row.run_at_ms);
    if (row.lease_ms != 0) stored_lease_ms_[row.id] = row.lease_ms;
    task->cancel_requested = row.cancel_requested;
    task->suspect = row.suspect;
    if (!row.cancel_reason.empty()) task->Extras().cancel_reason = std::move(row.cancel_reason);
    if (!row.failed.empty()) task->Extras().failed = std::move(row.failed);
  }
  attempts_ = {};
  return absl::OkStatus();
}

absl::Status Loader::FinishGrants(int64_t now_ms) {
  std::sort(grants_.begin(), grants_.end(),
            [](const GrantRow& a, const GrantRow& b) { return a.first_token < b.first_token; });
  uint64_t next_free_token = 1;
  for (const GrantRow& row : grants_) {
    const uint64_t grant = static_cast<uint64_t>(row.grant);
    const uint64_t first = static_cast<uint64_t>(row.first_token);
    uint64_t tokens = 0;
    for (const TaskRange& range : row.tasks) tokens += range.count;
    if (grant == 0 || grant >= s_.counters.next_grant || first > s_.counters.next_token ||
        tokens > s_.counters.next_token - first) {
      return Contradiction("grant ", grant, " is newer than the counters");
    }
    if (first < next_free_token) {
      return Contradiction("grant ", grant, " has tokens of an earlier one");
    }
    next_free_token = first + tokens;
    TREADLE_RETURN_IF_ERROR(FinishGrant(row, now_ms));
  }
  grants_ = {};
  if (!stored_lease_ms_.empty()) {
    return Contradiction("task ", stored_lease_ms_.begin()->first.ToString(),
                         " has a lease that was extended, and none");
  }
  return absl::OkStatus();
}

absl::Status Loader::FinishGrant(const GrantRow& row, int64_t now_ms) {
  Grant made;
  made.id = row.grant;
  made.worker_id = row.worker_id;
  made.worker_name = std::make_shared<const std::string>(row.worker_name);
  made.first_token = row.first_token;
  made.granted_at_ms = row.granted_at_ms;
  made.lease_ms = row.lease_ms;
  for (const TaskRange& range : row.tasks) made.tokens += range.count;
  Grant& grant = s_.grants.Add(std::move(made));
  auto token = static_cast<uint64_t>(row.first_token);
  for (const TaskRange& range : row.tasks) {
    for (uint32_t i = 0; i < range.count;) {
      const absl::StatusOr<uint32_t> done =
          RestoreLeases(grant, {range.At(i), range.count - i}, Token{token + i}, now_ms);
      if (!done.ok()) return done.status();
      i += *done;
    }
    token += range.count;
  }
  if (grant.live == 0) {
    return Contradiction("grant ", static_cast<uint64_t>(row.grant), " has no lease that lives");
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Loader::RestoreLeases(Grant& grant, const TaskRange& range, Token token,
                                               int64_t now_ms) {
  const Task* const found = s_.tasks.Find(range.first);
  if (found == nullptr || found->last_token >= token) return 1;
  if (found->lease != nullptr) {
    return Contradiction("task ", range.first.ToString(), " is leased twice");
  }
  Worker* worker = nullptr;
  if (!grant.worker_id.empty()) {
    worker = &attachments_.AddKnown(grant.worker_id, grant.worker_name, now_ms);
  }
  // A unary lease is one task's.
  Task& task = *FindApart(range.first, worker == nullptr ? 1 : range.count);
  lifecycle_.Restore(task, grant, token, worker, now_ms);
  if (const auto stored = stored_lease_ms_.find(task.id); stored != stored_lease_ms_.end()) {
    lifecycle_.RestoreLength(task, stored->second);
    stored_lease_ms_.erase(stored);
  }
  return task.count;
}

absl::Status Loader::FinishReports() {
  std::sort(reports_.begin(), reports_.end(),
            [](const ReportsRow& a, const ReportsRow& b) { return a.number < b.number; });
  for (ReportsRow& row : reports_) {
    for (const AcceptedReport& report : row.reports) {
      if (static_cast<uint64_t>(report.token) >= s_.counters.next_token) {
        return Contradiction("token ", static_cast<uint64_t>(report.token),
                             " of a report is newer than the counters");
      }
    }
    const uint64_t number = row.number;
    if (!s_.reports.AddLoaded(std::move(row))) {
      return Contradiction("the reports of row ", number, " are there twice");
    }
  }
  reports_ = {};
  return absl::OkStatus();
}

absl::Status Loader::FinishSessions(int64_t now_ms) {
  for (const auto& [id, session] : s_.sessions.all()) {
    if (id >= s_.counters.next_session) {
      return Contradiction("session ", id, " is newer than the counters");
    }
    session->expires_listened_ms = now_ms - s_.deaf_ms + s_.options.resume_window_ms;
    s_.timers.Set(*session, now_ms + s_.options.resume_window_ms);
    if (!session->had_task) s_.sessions.PutAside(*session);
  }
  return absl::OkStatus();
}

int64_t Loader::RunnableSince(const Task& task) const {
  int64_t since_ms = std::max(task.submitted_at_ms, s_.Moment(task.run_at_ms, task.run_at_is_date));
  if (task.lease == nullptr) return since_ms;
  if (task.extras && !task.extras->failed.empty()) {
    since_ms =
        std::max(since_ms, s_.Moment(task.extras->failed.back().ended_at_ms, /*is_date=*/true));
  }
  return std::min(since_ms, task.lease->grant->granted_at_ms);
}

absl::Status Loader::EnterTasks(int64_t now_ms) {
  std::vector<Task*> waiting;
  absl::Status status;
  s_.tasks.ForEach([&](Task& task) {
    if (task.lease != nullptr) {
      task.waits_since_ms = RunnableSince(task);
      lifecycle_.Retime(task);
    } else if (task.cancel_requested) {
      status = Contradiction("task ", task.id.ToString(), " was told to stop and does not run");
    } else {
      task.waits_since_ms = RunnableSince(task);
      waiting.push_back(&task);
    }
  });
  if (!status.ok()) return status;
  // Who became runnable first is the oldest again.
  std::stable_sort(waiting.begin(), waiting.end(), [](const Task* a, const Task* b) {
    return a->waits_since_ms < b->waits_since_ms;
  });
  for (Task* const task : waiting) {
    const int64_t since_ms = task->waits_since_ms;
    lifecycle_.Enter(*task, now_ms);
    task->waits_since_ms = std::min(since_ms, now_ms);
  }
  return absl::OkStatus();
}

}  // namespace treadle::engine
