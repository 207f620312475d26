#include "server/rpc/explain.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/support/utf8.h"

namespace treadle::rpc {
namespace {

using engine::Reason;

constexpr size_t kErrorBytesMax = 200;  // of an error's message, in a sentence

// The engine's numbers are the API's.
static_assert(static_cast<int>(Reason::kStops) == v1::REASON_STOPS);
static_assert(static_cast<int>(Reason::kNext) == v1::REASON_NEXT);
static_assert(static_cast<int>(engine::kLastReason) == v1::REASON_QUARANTINED);
static_assert(static_cast<int>(engine::ReasonEnd::kByOthers) == v1::REASON_END_BY_OTHERS);
static_assert(static_cast<int>(engine::ReasonEnd::kByOperator) == v1::REASON_END_BY_OPERATOR);

std::string Quoted(const std::string& name) { return absl::StrCat("'", name, "'"); }

std::string Count(const engine::ReasonView& reason, const char* one, const char* many) {
  return absl::StrCat(reason.at_least ? "at least " : "", reason.count, " ",
                      reason.count == 1 ? one : many);
}

// Behind a colon; nothing without names.
std::string Names(const engine::ReasonView& reason) {
  if (reason.workers.empty()) return "";
  const bool more = reason.count > static_cast<int64_t>(reason.workers.size());
  return absl::StrCat(": ", absl::StrJoin(reason.workers, ", "), more ? " and others" : "");
}

std::string Error(const engine::TaskError& error) {
  if (error == engine::TaskError()) return "";
  return absl::StrCat(" with ", error.type, ": ", CutMiddle(error.message, kErrorBytesMax));
}

std::string Worker(const engine::ReasonView& reason) {
  return reason.workers.empty() || reason.workers.front().empty() ? "its worker"
                                                                  : reason.workers.front();
}

// Of a task that nobody serves: nothing, if its queue keeps it.
const char* Fate(const engine::ReasonView& reason) {
  return reason.until_ms == 0 ? "" : " (it fails if nobody comes)";
}

std::string Said(const engine::ReasonView& reason) {
  return reason.said.empty() ? std::string() : absl::StrCat(": ", reason.said);
}

std::string Text(const engine::ReasonView& reason, const engine::TaskView& task) {
  const std::string queue = Quoted(*task.queue);
  const std::string type = Quoted(*task.type);
  switch (reason.reason) {
    case Reason::kUnknown:
      break;
    case Reason::kStops:
      return absl::StrCat(Worker(reason), " was told to stop it, ",
                          task.stop == engine::StopReason::kCancelled
                              ? "for it was cancelled"
                              : "for its attempt's time is over");
    case Reason::kRuns:
      return absl::StrCat(Worker(reason), " runs it");
    case Reason::kHolderAway:
      return absl::StrCat("the connection to ", Worker(reason), ", which has it, is lost");
    case Reason::kHeld:
      return absl::StrCat(Worker(reason), " has it and has not begun: it runs ",
                          Count(reason, "other there", "others there"));
    case Reason::kNoRoom:
      return reason.count == 0
                 ? absl::StrCat("queue ", queue, " is full, and it is the next to get room")
                 : absl::StrCat("queue ", queue, " is full, and ",
                                Count(reason, "submit waits", "submits wait"),
                                " for room before it");
    case Reason::kDelayed:
      return "it was submitted for later";
    case Reason::kBacksOff:
      return absl::StrCat("attempt ", task.attempts, " of ", task.max_attempts, " failed",
                          task.failed.empty() ? std::string() : Error(task.failed.back().error));
    case Reason::kPurged:
      return absl::StrCat("queue ", queue, " is being purged: it will be cancelled");
    case Reason::kPaused:
      return absl::StrCat("queue ", queue, " is paused", Said(reason));
    case Reason::kCircuitOpen:
      return absl::StrCat("queue ", queue, " is paused by its circuit breaker", Said(reason));
    case Reason::kNoWorker:
      return absl::StrCat("no worker serves queue ", queue, Fate(reason));
    case Reason::kWorkersAway:
      return absl::StrCat("the connections of those who served queue ", queue, " are lost",
                          Names(reason));
    case Reason::kNoHandler:
      return absl::StrCat("no worker of queue ", queue, " runs type ", type, Fate(reason));
    case Reason::kWorkersDrain:
      return absl::StrCat("all who run type ", type, " take no more tasks, for they end",
                          Names(reason), Fate(reason));
    case Reason::kBehind:
      return absl::StrCat(Count(reason, "task", "tasks"), " of type ", type,
                          reason.count == 1 ? " comes first" : " come first");
    case Reason::kSlotsBusy:
      return absl::StrCat("all who run type ", type, " have as many tasks as they take",
                          Names(reason));
    case Reason::kQuarantined:
      return absl::StrCat("others that run type ", type,
                          " are in quarantine, for their attempts failed one after the other",
                          Names(reason));
    case Reason::kNext:
      return reason.workers.empty() ? "somebody gets it at once"
                                    : absl::StrCat(Worker(reason), " could have it at once");
  }
  return "";
}

const char* Advice(Reason reason) {
  switch (reason) {
    case Reason::kPaused:
      return "resume the queue: treadle queue resume";
    case Reason::kCircuitOpen:
      return "mend what fails, then resume the queue: treadle queue resume";
    case Reason::kQuarantined:
      return "mend what fails there, then give them tasks again: treadle worker release";
    case Reason::kNoWorker:
      return "start a worker that serves the queue";
    case Reason::kNoHandler:
      return "start a worker with a handler for it, or cancel the task; treadle worker list shows "
             "who serves what";
    case Reason::kWorkersDrain:
      return "start others in their place";
    case Reason::kNoRoom:
      return "start more workers, or raise the queue's bounds: treadle queue update";
    case Reason::kBehind:
    case Reason::kSlotsBusy:
      return "start more workers if that takes too long";
    default:
      return "";
  }
}

}  // namespace

void Write(const engine::ReasonView& reason, const engine::TaskView& task, v1::TaskReason* out) {
  out->set_reason(static_cast<v1::Reason>(reason.reason));
  out->set_since_at_ms(reason.since_ms);
  out->set_end(static_cast<v1::ReasonEnd>(reason.end));
  out->set_until_at_ms(reason.until_ms);
  out->set_count(reason.count);
  out->set_at_least(reason.at_least);
  for (const std::string& worker : reason.workers) out->add_workers(worker);
  out->set_text(Text(reason, task));
  out->set_advice(Advice(reason.reason));
}

void Write(const std::vector<engine::LostTime>& lost, v1::ExplainTaskResponse* out) {
  for (const engine::LostTime& one : lost) {
    v1::LostTime& written = *out->add_lost();
    written.set_reason(static_cast<v1::Reason>(one.reason));
    written.set_ms(one.ms);
  }
}

void WriteEnded(const engine::FinishedRow& row, v1::TaskReason* out) {
  out->set_reason(v1::REASON_ENDED);
  out->set_since_at_ms(row.finished_at_ms);
  const auto in_words = [&row]() -> std::string {
    switch (row.state) {
      case engine::TaskState::kSucceeded:
        return absl::StrCat("it succeeded in attempt ", row.attempts, " of ", row.max_attempts);
      case engine::TaskState::kFailed:
        if (row.worker == nullptr) return absl::StrCat("it failed", Error(row.error));
        return absl::StrCat("it failed in attempt ", row.attempts, " of ", row.max_attempts,
                            Error(row.error));
      case engine::TaskState::kCancelled:
        return "it was cancelled";
      default:
        return "its deadline passed first";
    }
  };
  out->set_text(in_words());
}

}  // namespace treadle::rpc
