#include "server/engine/reports.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "proto/support/assert.h"
#include "server/engine/refusals.h"

namespace treadle::engine {

absl::StatusOr<Task*> Reports::Find(CallId call, Token token) const {
  if (static_cast<uint64_t>(token) >= s_.counters.next_token) return refusal::NeverGiven(token);
  Task* const task = s_.grants.Find(token);
  if (task == nullptr) return refusal::LeaseOver(token);
  const Worker* const caller = s_.calls.WorkerOf(call);
  if (caller != nullptr && task->lease->worker != nullptr && task->lease->worker != caller) {
    return refusal::HeldByAnother(token);
  }
  return task;
}

void Reports::Apply(Turn& turn, const StartAttempt& start) {
  const Worker* const worker = s_.calls.WorkerOf(start.call);
  Task* const task = s_.grants.Find(start.token);
  // A lease that was lost meanwhile: its holder learns that when it reports.
  if (worker == nullptr || task == nullptr || task->lease->worker != worker) return;
  lifecycle_.MarkStarted(turn, lifecycle_.PartLeased(*task, start.token));
}

void Reports::Apply(Turn& turn, EndAttempt&& end) {
  if (end.tasks() == 1) {
    end.result_sizes.clear();
    return EndOne(turn, std::move(end));
  }
  TREADLE_ASSERT(end.end == AttemptEnd::kSucceeded && !end.reply);
  absl::Span<const uint32_t> sizes = end.result_sizes;
  EndAttempt one{.call = end.call, .item = end.item, .token = end.token, .body = end.body};
  while (!sizes.empty()) {
    uint32_t ended = EndSeveral(turn, one.call, one.token, one.body, sizes);
    if (ended == 0) {
      one.body.bytes = sizes.front();
      EndOne(turn, EndAttempt(one));
      ended = 1;
    }
    one.token = Token{static_cast<uint64_t>(one.token) + ended};
    one.body.begin += std::accumulate(sizes.begin(), sizes.begin() + ended, uint64_t{0});
    sizes.remove_prefix(ended);
  }
}

uint32_t Reports::EndSeveral(Turn& turn, CallId call, Token token, const BodyPart& results,
                             absl::Span<const uint32_t> sizes) {
  const absl::StatusOr<Task*> found = Find(call, token);
  if (!found.ok() || (*found)->count == 1) return 0;
  Task& leased = **found;
  const auto before = static_cast<uint32_t>(leased.lease->IndexOf(token));
  const auto most = std::min<size_t>(sizes.size(), leased.count - before);
  uint32_t tasks = 1;
  BodyPart part{results.body, results.begin, sizes.front()};
  while (tasks < most &&
         part.bytes + sizes[tasks] <= static_cast<uint64_t>(s_.options.outcome_row_bytes_max)) {
    part.bytes += sizes[tasks++];
  }
  Task& task = lifecycle_.Part(leased, leased.range().At(before), tasks);
  RaiseReportDurability(call, OutcomeDurability(task.durability));
  std::vector<uint32_t> its_sizes;
  if (tasks > 1) its_sizes.assign(sizes.begin(), sizes.begin() + tasks);
  lifecycle_.Succeed(turn, task, std::move(part), std::move(its_sizes));
  return tasks;
}

void Reports::RaiseReportDurability(CallId call, Durability to) {
  Worker* const worker = s_.calls.WorkerOf(call);
  if (worker != nullptr) worker->report_durability = std::max(worker->report_durability, to);
}

void Reports::EndOne(Turn& turn, EndAttempt&& end) {
  const absl::StatusOr<Task*> found = Find(end.call, end.token);
  if (!found.ok() && s_.reports.Has({end.token, end.end})) {
    // Its answer was lost, so it is told again. How safe the first one had to be is not known here.
    if (end.reply) {
      turn.Say(Durability::kSynced, ReportDone{end.call, end.item, end.token});
    } else {
      RaiseReportDurability(end.call, Durability::kSynced);
    }
    return;
  }
  if (!found.ok()) {
    turn.Say(Durability::kMemory, ReportDone{end.call, end.item, end.token, found.status()});
    return;
  }
  Task& task = lifecycle_.PartLeased(**found, end.token);
  const Durability after = OutcomeDurability(task.durability);
  RaiseReportDurability(end.call, after);
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
  s_.reports.Add({end.token, end.end});
  turn.Say(after, ReportDone{end.call, end.item, end.token});
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
  LeaseExtended answer{extend.call, extend.item, extend.token};
  const absl::StatusOr<Task*> found = Find(extend.call, extend.token);
  Durability after = Durability::kMemory;
  if (!found.ok()) {
    answer.status = found.status();
  } else if ((*found)->lease->worker != nullptr) {
    answer.status = refusal::NotExtendable(extend.token);
  } else {
    Task& task = **found;
    after = lifecycle_.Extend(turn, task, extend.lease_ms);
    answer.lease_ms = lifecycle_.UnaryLeaseEnd(task) - turn.now_ms();
    answer.stop = StopOf(task, turn.now_ms());
    if (task.cancel_requested) after = OutcomeDurability(task.durability);
  }
  turn.Say(after, std::move(answer));
}

}  // namespace treadle::engine
