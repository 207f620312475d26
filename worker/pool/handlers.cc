#include "worker/pool/handlers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace treadle::worker {
namespace {

AttemptResult NotFound(const Handlers& handlers, const std::string& type) {
  return AttemptResult::Failed(
      "HandlerNotFound", absl::StrCat("this worker has no handler for type '", type,
                                      "': it handles ", absl::StrJoin(handlers.Types(), ", ")));
}

AttemptResult TimedOut(const Attempt& attempt, const AttemptResult& result) {
  std::string message = absl::StrCat("the attempt ran longer than its timeout of ",
                                     attempt.info().timeout.count(), " ms");
  if (result.end == AttemptEnd::kFailed) {
    absl::StrAppend(&message, "; told to stop, the handler said ", result.error_type, ": ",
                    result.error_message);
  }
  return AttemptResult::Failed("AttemptTimeout", std::move(message));
}

// What a handler returned, seen in the light of why it was told to stop.
AttemptResult AfterStop(const Attempt& attempt, AttemptResult result) {
  const StopReason reason = attempt.stop_reason();
  if (reason == StopReason::kNone) return result;
  if (reason == StopReason::kAttemptTimeout) return TimedOut(attempt, result);
  if (result.end == AttemptEnd::kSucceeded) return result;
  return reason == StopReason::kShutdown ? AttemptResult::Released() : AttemptResult::Stopped();
}

}  // namespace

bool Handlers::Add(std::string_view type, Handler handler) {
  return handlers_.emplace(std::string(type), std::move(handler)).second;
}

const Handler* Handlers::Find(std::string_view type) const {
  const auto it = handlers_.find(absl::string_view(type.data(), type.size()));
  return it == handlers_.end() ? nullptr : &it->second;
}

std::vector<std::string> Handlers::Types() const {
  std::vector<std::string> types;
  types.reserve(handlers_.size());
  for (const auto& [type, handler] : handlers_) types.push_back(type);
  std::sort(types.begin(), types.end());
  return types;
}

AttemptResult RunHandler(const Handlers& handlers, Attempt& attempt, AttemptEvents& events) {
  const Handler* const handler = handlers.Find(attempt.info().type);
  if (handler == nullptr) return NotFound(handlers, attempt.info().type);
  TaskContext context(attempt, events);
  try {
    return AfterStop(attempt, (*handler)(context, attempt.TakePayload()));
  } catch (...) {
    return AfterStop(attempt, AttemptResult::FromCurrentException());
  }
}

}  // namespace treadle::worker
