#include "server/engine/lifecycle.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"

// A task's states; attempts.cc has what happens to its attempts.

namespace treadle::engine {
namespace {

// Lines without tasks that a queue keeps, so that a type that comes and goes costs no set-up.
constexpr int64_t kIdleLinesMax = 64;

std::string_view WhereWas(TaskState state) {
  switch (state) {
    case TaskState::kScheduled:
      return "before the task was due";
    case TaskState::kQueued:
      return "while the task was queued";
    default:
      return "while the task was running";
  }
}

void Count(Queue& queue, TaskState state, uint32_t tasks, int64_t now_ms) {
  QueueTotals& totals = queue.totals;
  totals.finish_rate.Add(now_ms, tasks);
  switch (state) {
    case TaskState::kSucceeded:
      totals.succeeded += tasks;
      return;
    case TaskState::kFailed:
      ++totals.failed;
      return;
    case TaskState::kCancelled:
      ++totals.cancelled;
      return;
    default:
      ++totals.expired;
  }
}

}  // namespace

bool Lifecycle::HasRoomForType(const Queue& queue, const std::string& type) const {
  const int64_t used = static_cast<int64_t>(queue.lines.size()) - queue.idle_line_count;
  if (used < s_.options.types_per_queue_max) return true;
  const auto line = queue.lines.find(type);
  return line != queue.lines.end() && line->second->unfinished > 0;
}

Line& Lifecycle::ObtainLine(Queue& queue, const std::string& type, uint32_t tasks) {
  Line* line = QueueTable::FindLine(queue, type);
  if (line == nullptr) {
    auto made = std::make_unique<Line>(queue, std::make_shared<const std::string>(type));
    line = made.get();
    queue.lines.emplace(type, std::move(made));
    queue.latest_line = line;
    s_.matching.AddLine(*line, s_.now_ms);
  } else if (line->linked()) {
    line->Unlink();
    --queue.idle_line_count;
  }
  if (line->unfinished == 0) quarantines_.LineUsed(*line);
  line->unfinished += tasks;
  return *line;
}

void Lifecycle::LeaveLine(const Task& task) {
  Line& line = *task.line;
  Queue& queue = line.queue;
  line.unfinished -= task.count;
  if (line.unfinished > 0) return;
  queue.idle_lines.PushBack(line);
  if (++queue.idle_line_count <= kIdleLinesMax) return;
  DropOldestLine(queue);
}

void Lifecycle::DropOldestLine(Queue& queue) {
  Line& oldest = queue.idle_lines.PopFront();
  --queue.idle_line_count;
  s_.matching.RemoveLine(oldest);
  if (queue.latest_line == &oldest) queue.latest_line = nullptr;
  queue.lines.erase(queue.lines.find(*oldest.type));
}

void Lifecycle::DropLines(Queue& queue) {
  while (!queue.idle_lines.empty()) DropOldestLine(queue);
  TREADLE_ASSERT(queue.lines.empty());
}

Task& Lifecycle::SplitAfter(Task& task, uint32_t keep) {
  Task& rest = s_.tasks.SplitAfter(task, keep);
  if (task.lease != nullptr) {
    SplitLease(task, rest);
  } else {
    List<Task, WaitingTaskTag>::InsertAfter(task, rest);
  }
  if (task.state == TaskState::kQueued) {
    // The place in a LIFO line is that of the last one.
    if (task.queue().config.discipline == Discipline::kLifo) s_.matching.AddReady(task);
    s_.matching.AddReady(rest);
  }
  Retime(rest);
  return rest;
}

// What one lease of several is: of a worker, and not begun.
void Lifecycle::SplitLease(Task& task, Task& rest) {
  LiveLease& lease = *task.lease;
  TREADLE_ASSERT(lease.grant != nullptr && lease.worker != nullptr && !lease.started);
  rest.lease = std::make_unique<LiveLease>(rest);
  rest.lease->token = lease.TokenOf(task.count);
  rest.lease->grant = lease.grant;
  rest.lease->worker = lease.worker;
  rest.lease->pool = lease.pool;
  List<LiveLease, WorkerLeaseTag>::InsertAfter(lease, *rest.lease);
  s_.grants.Put(*rest.lease);
}

Task& Lifecycle::Part(Task& task, TaskId id, uint32_t count) {
  TREADLE_ASSERT(task.Holds(id));
  const auto before = static_cast<uint32_t>(id.sequence - task.id.sequence);
  return PartFirst(before == 0 ? task : SplitAfter(task, before), count);
}

Task& Lifecycle::PartLeased(Task& task, Token token) {
  return Part(task, task.range().At(static_cast<uint32_t>(task.lease->IndexOf(token))));
}

Task& Lifecycle::PartFirst(Task& task, uint32_t count) {
  if (task.count > count) SplitAfter(task, count);
  return task;
}

Task& Lifecycle::PartNext(Task& task, uint32_t count) {
  if (task.queue().config.discipline != Discipline::kLifo) return PartFirst(task, count);
  return task.count > count ? SplitAfter(task, task.count - count) : task;
}

void Lifecycle::Enter(Task& task, int64_t now_ms) {
  Queue& queue = task.queue();
  queue.waiting_bytes += task.payload_bytes;
  task.waits_since_ms = now_ms;
  if (s_.Moment(task.run_at_ms, task.run_at_is_date) > now_ms) {
    task.state = TaskState::kScheduled;
    queue.scheduled += task.count;
    queue.scheduled_tasks.PushBack(task);
  } else {
    task.line->queued_tasks.PushBack(task);
    MakeRunnable(task, now_ms);
  }
  Retime(task);
}

void Lifecycle::MakeRunnable(Task& task, int64_t now_ms) {
  task.state = TaskState::kQueued;
  task.waits_since_ms = now_ms;
  task.queue().queued += task.count;
  s_.matching.AddReady(task);
}

void Lifecycle::Wake(Turn& turn, Task& task) {
  Queue& queue = task.queue();
  queue.scheduled -= task.count;
  List<Task, WaitingTaskTag>::Remove(task);
  // A purge that has not come to this task yet still will.
  const bool doomed = queue.purge != nullptr && task.order < queue.purge->before_order;
  (doomed ? queue.purge->tasks : task.line->queued_tasks).PushBack(task);
  MakeRunnable(task, turn.now_ms());
  Retime(task);
  Changed(turn, task);
}

void Lifecycle::LeaveWaiting(Task& task) {
  Queue& queue = task.queue();
  if (task.state == TaskState::kScheduled) {
    queue.scheduled -= task.count;
  } else {
    TREADLE_ASSERT(task.state == TaskState::kQueued);
    queue.queued -= task.count;
    s_.matching.RemoveReady(task);
  }
  List<Task, WaitingTaskTag>::Remove(task);
  queue.waiting_bytes -= task.payload_bytes;
  if (!queue.waiters.empty() && !queue.has_room_news) {
    queue.has_room_news = true;
    s_.queues_with_room.push_back(&queue);
  }
}

int64_t Lifecycle::UnaryLeaseDue(const Task& task, int64_t unheard_ms) const {
  if (task.lease->worker != nullptr) return kNever;
  return s_.WhenListened(task.lease->expires_listened_ms) + unheard_ms;
}

int64_t Lifecycle::NextDue(const Task& task, int64_t lease_due_ms) const {
  int64_t due = task.deadline_is_date ? kNever : DeadlineDue(task);
  if (task.state == TaskState::kScheduled) {
    if (!task.run_at_is_date) due = std::min(due, task.run_at_ms);
  } else if (task.lease != nullptr) {
    due = std::min({due, TimeoutDue(task), lease_due_ms});
  }
  return due;
}

int64_t Lifecycle::NextDate(const Task& task) const {
  int64_t date = task.deadline_is_date ? task.deadline_at_ms : kNever;
  if (task.state == TaskState::kScheduled && task.run_at_is_date) {
    date = std::min(date, task.run_at_ms);
  }
  return date;
}

int64_t Lifecycle::DeadlineDue(const Task& task) const {
  if (task.deadline_at_ms == 0) return kNever;
  return s_.Moment(task.deadline_at_ms, task.deadline_is_date);
}

void Lifecycle::Due(Turn& turn, Task& task) {
  // Whatever was due first; the rest is due at once when that has left it so.
  const int64_t lease_due = task.lease == nullptr ? kNever : UnaryLeaseDue(task, s_.unheard_ms);
  const int64_t timer = NextDue(task, lease_due);
  const int64_t date = NextDate(task);
  const int64_t due = std::min(timer, date == kNever ? kNever : s_.Moment(date, /*is_date=*/true));
  if (due > turn.now_ms()) {
    // A lease: nobody listened for a while, or what arrived is not stepped.
    TREADLE_ASSERT(lease_due != kNever);
    return s_.timers.Set(task, timer);
  }
  if (due == DeadlineDue(task)) return Expire(turn, PartFirst(task));
  if (task.state == TaskState::kScheduled) return Wake(turn, task);
  if (due == TimeoutDue(task)) return TimeOut(turn, task);
  LoseLease(turn, task);
}

void Lifecycle::Cancel(Turn& turn, Task& task, const std::string& reason) {
  if (!reason.empty() && !task.cancel_requested) task.Extras().cancel_reason = reason;
  if (task.state != TaskState::kRunning) {
    LeaveWaiting(task);
    return Finish(turn, task, {TaskState::kCancelled, task.attempts_spent});
  }
  if (task.cancel_requested) return;
  task.cancel_requested = true;
  task.RunNotBefore(0);  // it was waited for
  PutAttempt(turn, task);
  StopHolder(turn, task, StopReason::kCancelled);
  Changed(turn, task);
}

void Lifecycle::Expire(Turn& turn, Task& task) {
  Ending ending{TaskState::kExpired, task.attempts_spent};
  ending.error.type = "DeadlineExceeded";
  ending.error.message = absl::StrCat("the deadline passed ", std::string(WhereWas(task.state)));
  if (task.state == TaskState::kRunning) {
    StopHolder(turn, task, StopReason::kDeadline);
    CountAttempt(task, turn.now_ms());
    ending.attempt = EndLease(turn, task);
    ending.error.attempt = ++ending.attempts;
    ending.error.worker = *ending.attempt.worker;
  } else {
    LeaveWaiting(task);
  }
  Finish(turn, task, std::move(ending));
}

void Lifecycle::FailUnserved(Turn& turn, Task& task, TaskError error) {
  Ending ending{TaskState::kFailed, task.attempts_spent};
  ending.error = std::move(error);
  LeaveWaiting(task);
  Finish(turn, task, std::move(ending));
}

FinishedRow Lifecycle::RowOf(const Task& task, TaskState state, int64_t now_ms) const {
  FinishedRow row;
  row.id = task.id;
  row.tasks = task.count;
  row.task_row_stays = task.run != nullptr;
  row.queue = task.queue().name;
  row.type = task.line->type;
  row.state = state;
  row.priority = task.priority;
  row.max_attempts = task.max_attempts;
  row.submitted_at_ms = s_.Shown(task.submitted_at_ms);
  if (task.deadline_at_ms != 0) row.deadline_at_ms = s_.Shown(DeadlineDue(task));
  row.finished_at_ms = s_.Shown(now_ms);
  row.drop_at_ms = now_ms + task.result_ttl_ms;
  row.payload_bytes = task.payload_bytes;
  if (task.count > 1) row.payload_sizes = task.PayloadSizesOfEach();
  if (task.has_key()) {
    // Who sends the key again must find the outcome.
    row.request_key = task.extras->request_key;
    row.drop_at_ms =
        std::max(row.drop_at_ms, task.submitted_at_ms + s_.options.request_key_window_ms);
  }
  row.expires_at_ms = s_.Shown(row.drop_at_ms);
  return row;
}

void Lifecycle::Finish(Turn& turn, Task& task, Ending ending) {
  FinishedRow row = RowOf(task, ending.state, turn.now_ms());
  row.attempts = ending.attempts;
  row.worker = std::move(ending.attempt.worker);
  row.leased_at_ms = ending.attempt.leased_at_ms;
  row.started_at_ms = ending.attempt.started_at_ms;
  if (task.extras) row.failed = std::move(task.extras->failed);
  row.error = std::move(ending.error);
  if (ending.state == TaskState::kCancelled) {
    row.error.type = "Cancelled";
    row.error.message = "the task was cancelled";
    if (task.extras && !task.extras->cancel_reason.empty()) {
      absl::StrAppend(&row.error.message, ": ", task.extras->cancel_reason);
    }
  }
  row.body = std::move(ending.body);
  row.result_sizes = std::move(ending.result_sizes);
  Finish(turn, task, std::move(row));
}

void Lifecycle::Finish(Turn& turn, Task& task, FinishedRow&& finished_row) {
  TREADLE_ASSERT(task.count == 1 || finished_row.state == TaskState::kSucceeded);
  Queue& queue = task.queue();
  s_.timers.Clear(task);
  s_.dates.Clear(task);
  if (finished_row.state == TaskState::kFailed) letters_.Add(turn, task, finished_row);
  const auto finished = std::make_shared<const FinishedRow>(std::move(finished_row));
  const FinishedRow& row = *finished;
  if (row.drop_at_ms > turn.now_ms()) {
    turn.Put(row);
  } else if (!row.task_row_stays) {
    turn.Erase(TaskKey{task.id});
  }
  if (task.run != nullptr) LeaveRun(turn, task);
  if (task.has_attempt_row) turn.Erase(AttemptKey{task.id});
  if (task.has_key()) s_.keys.Finish(*queue.name, task.extras->request_key);
  Count(queue, row.state, task.count, turn.now_ms());
  turn.Say(OutcomeDurability(task.durability), TaskFinished{finished});
  LeaveLine(task);
  s_.tasks.Finish(task);
}

// What is left of a run is written at the turn's end: see Runs.
void Lifecycle::LeaveRun(Turn& turn, const Task& task) {
  TaskRun& run = *task.run;
  run.unfinished -= task.count;
  run.unfinished_bytes -= task.payload_bytes;
  if (run.over()) {
    turn.Erase(TaskKey{run.first});
    if (run.has_row) turn.Erase(RunKey{run.first});
    return;
  }
  run.finished.Insert(task.id.sequence, task.id.sequence + task.count - 1);
  if (!std::exchange(run.has_news, true)) s_.changed_runs.push_back(task.run);
}

void Lifecycle::Changed(Turn& turn, const Task& task) {
  if (task.watched) turn.Say(OutcomeDurability(task.durability), TaskChanged{task.id});
}

}  // namespace treadle::engine
