#include "server/engine/reports.h"

#include <algorithm>
#include <utility>

#include "server/engine/refusals.h"

namespace treadle::engine {

absl::Status Reports::Check(CallId call, TaskId id, Token token) const {
  const Task* const task = s_.tasks.Find(id);
  if (task == nullptr) return refusal::EndedBefore(id);
  if (static_cast<uint64_t>(token) >= s_.counters.next_token) {
    return refusal::NeverGiven(id, token);
  }
  if (task->lease == nullptr) return refusal::NotRunning(id, token, task->state);
  if (task->lease->token != token) return refusal::StaleToken(id, token);
  const Worker* const caller = s_.calls.WorkerOf(call);
  if (caller != nullptr && task->lease->worker != nullptr && task->lease->worker != caller) {
    return refusal::HeldByAnother(id, token);
  }
  return absl::OkStatus();
}

void Reports::Apply(Turn& turn, const StartAttempt& start) {
  const Worker* const worker = s_.calls.WorkerOf(start.call);
  Task* const task = s_.grants.Find(start.token);
  // A lease that was lost meanwhile: its holder learns that when it reports.
  if (worker == nullptr || task == nullptr || task->lease->worker != worker) return;
  lifecycle_.MarkStarted(turn, *task);
}

void Reports::Apply(Turn& turn, EndAttempt&& end) {
  absl::Status status = Check(end.call, end.task, end.token);
  if (!status.ok() && s_.reports.Has({end.task, end.token, end.end})) {
    // Its answer was lost, so it is told again. How safe the first one had to be is not known here.
    if (end.reply) {
      turn.Say(Durability::kSynced, ReportDone{end.call, end.item, end.task, end.token});
    } else if (Worker* const worker = s_.calls.WorkerOf(end.call)) {
      worker->report_durability = Durability::kSynced;
    }
    return;
  }
  if (!status.ok()) {
    turn.Say(Durability::kMemory,
             ReportDone{end.call, end.item, end.task, end.token, std::move(status)});
    return;
  }
  Task& task = *s_.tasks.Find(end.task);
  const Durability after = OutcomeDurability(task.durability);
  if (Worker* const worker = s_.calls.WorkerOf(end.call)) {
    worker->report_durability = std::max(worker->report_durability, after);
  }
  switch (end.end) {
    case AttemptEnd::kSucceeded:
      lifecycle_.Succeed(turn, task, std::move(end.body));
      break;
    case AttemptEnd::kFailed:
      lifecycle_.Fail(turn, task, std::move(end.error), std::move(end.body));
      break;
    case AttemptEnd::kStopped:
      lifecycle_.StoppedByItself(turn, task);
      break;
    case AttemptEnd::kReleased:
      lifecycle_.GiveBack(turn, task);
      break;
  }
  if (!end.reply) return;
  s_.reports.Add({end.task, end.token, end.end});
  turn.Say(after, ReportDone{end.call, end.item, end.task, end.token});
}

void Reports::WriteAccepted(Turn& turn) {
  if (!s_.reports.has_news()) return;
  turn.Put(s_.reports.TakeNews());
  while (s_.reports.size() > s_.options.reports_kept_max) {
    turn.Erase(ReportsKey{s_.reports.DropOldest()});
  }
}

void Reports::Apply(Turn& turn, const EndReports& reports) {
  const Worker* const worker = s_.calls.WorkerOf(reports.call);
  const Durability after = worker == nullptr ? Durability::kSynced : worker->report_durability;
  turn.Say(after, ReportsHandled{reports.call, reports.sequence});
}

void Reports::Apply(Turn& turn, const ExtendLease& extend) {
  LeaseExtended answer{extend.call, extend.item, extend.task, extend.token};
  answer.status = Check(extend.call, extend.task, extend.token);
  Durability after = Durability::kMemory;
  if (answer.status.ok()) {
    Task& task = *s_.tasks.Find(extend.task);
    if (task.lease->worker != nullptr) {
      answer.status = refusal::NotExtendable(extend.task);
    } else {
      after = lifecycle_.Extend(turn, task, extend.lease_ms);
      answer.lease_ms = lifecycle_.UnaryLeaseEnd(task) - turn.now_ms();
      answer.stop = StopOf(task, turn.now_ms());
      if (task.cancel_requested) after = OutcomeDurability(task.durability);
    }
  }
  turn.Say(after, std::move(answer));
}

}  // namespace treadle::engine
