#include "worker/pool/handlers.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/support/text.h"
#include "treadle/internal/coroutine_handler.h"
#include "treadle/task_error.h"
#include "worker/pool/attempt_task.h"

namespace treadle::worker {
namespace {

AttemptResult TimedOut(const Attempt& attempt, const AttemptResult& result) {
  std::string message = absl::StrCat("the attempt ran longer than its timeout of ",
                                     attempt.info().timeout.count(), " ms");
  if (result.end == AttemptEnd::kFailed) {
    absl::StrAppend(&message, "; told to stop, it ended with ", result.error_type, ": ",
                    result.error_message);
  }
  return AttemptResult::Failed("AttemptTimeout", std::move(message));
}

AttemptResult Called(const Handler& handler, TaskContext& context, Attempt& attempt) {
  try {
    return handler(context, attempt.TakePayload());
  } catch (...) {
    return AttemptResult::FromCurrentException();
  }
}

// For people, and for what counts failures: the error itself travels as it is.
absl::Status EndOf(const AttemptResult& result) {
  switch (result.end) {
    case AttemptEnd::kSucceeded:
      return absl::OkStatus();
    case AttemptEnd::kFailed:
      return absl::UnknownError(absl::StrCat(result.error_type, ": ", result.error_message));
    case AttemptEnd::kStopped:
    case AttemptEnd::kReleased:
      return absl::CancelledError("the handler was told to stop");
  }
  return absl::UnknownError("no such end");
}

AttemptResult CalledInside(const Handlers::Around& around, TaskContext& context,
                           absl::FunctionRef<AttemptResult()> call) {
  std::optional<AttemptResult> result;
  try {
    around(context, [&] {
      if (!result.has_value()) result = call();
      return EndOf(*result);
    });
  } catch (...) {
    return AttemptResult::FromCurrentException();
  }
  if (result.has_value()) return *std::move(result);
  return AttemptResult::Failed("NotCalled",
                               "WorkerOptions::around did not call the handler: call `call` once");
}

}  // namespace

AttemptResult HandlerNotFound(const Handlers& handlers, const std::string& type) {
  return AttemptResult::Failed(
      std::string(kHandlerNotFoundError),
      absl::StrCat("this worker has no handler for type '", type, "': it handles ",
                   absl::StrJoin(handlers.Types(), ", ")));
}

bool Handlers::Enter(std::string_view type, Entry entry) {
  entry.type = type;
  return entries_.emplace(std::string(type), std::make_unique<const Entry>(std::move(entry)))
      .second;
}

bool Handlers::Add(std::string_view type, Handler handler) {
  Entry entry;
  entry.handler = std::move(handler);
  return Enter(type, std::move(entry));
}

bool Handlers::AddCoroutine(std::string_view type,
                            std::shared_ptr<const CoroutineHandler> handler) {
  Entry entry;
  entry.handler = BlockingHandler(handler);
  entry.coroutine = std::move(handler);
  return Enter(type, std::move(entry));
}

const Handlers::Entry* Handlers::FindEntry(std::string_view type) const {
  const auto it = entries_.find(Absl(type));
  return it == entries_.end() ? nullptr : it->second.get();
}

const Handler* Handlers::Find(std::string_view type) const {
  const Entry* const entry = FindEntry(type);
  return entry == nullptr ? nullptr : &entry->handler;
}

std::shared_ptr<const CoroutineHandler> Handlers::FindCoroutine(std::string_view type) const {
  const Entry* const entry = FindEntry(type);
  return entry == nullptr ? nullptr : entry->coroutine;
}

const std::string* Handlers::NameOf(std::string_view type) const {
  const Entry* const entry = FindEntry(type);
  return entry == nullptr ? nullptr : &entry->type;
}

HandlerMeter* Handlers::MeterOf(std::string_view type) const {
  const Entry* const entry = FindEntry(type);
  return entry == nullptr ? nullptr : entry->meter.get();
}

std::vector<std::string> Handlers::Types() const {
  std::vector<std::string> types;
  types.reserve(entries_.size());
  for (const auto& [type, entry] : entries_) types.push_back(type);
  std::sort(types.begin(), types.end());
  return types;
}

AttemptResult AfterStop(const Attempt& attempt, AttemptResult result) {
  const StopReason reason = attempt.stop_reason();
  if (reason == StopReason::kNone) return result;
  if (reason == StopReason::kAttemptTimeout) return TimedOut(attempt, result);
  if (result.end == AttemptEnd::kSucceeded) return result;
  return reason == StopReason::kShutdown ? AttemptResult::Released() : AttemptResult::Stopped();
}

AttemptResult CallHandler(const Handlers& handlers, Attempt& attempt, AttemptEvents& events) {
  const Handler* const handler = handlers.Find(attempt.info().type);
  if (handler == nullptr) return HandlerNotFound(handlers, attempt.info().type);
  TaskContext context(attempt, events, handlers.client());
  AttemptTask task(attempt, handlers.client());
  const RunningTask::Scope running(task);
  const auto call = [&] { return Called(*handler, context, attempt); };
  return handlers.around() ? CalledInside(handlers.around(), context, call) : call();
}

AttemptResult RunHandler(const Handlers& handlers, Attempt& attempt, AttemptEvents& events) {
  HandlerMeter* const meter = handlers.MeterOf(attempt.info().type);
  if (meter == nullptr || !meter->Begin()) {
    return AfterStop(attempt, CallHandler(handlers, attempt, events));
  }
  const RunStopwatch stopwatch(RunStopwatch::Of::kThread);
  AttemptResult result = CallHandler(handlers, attempt, events);
  meter->Add(stopwatch.Elapsed());
  return AfterStop(attempt, std::move(result));
}

}  // namespace treadle::worker
