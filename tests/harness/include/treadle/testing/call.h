#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/headers.h"
#include "treadle/milliseconds.h"
#include "treadle/stop_reason.h"
#include "treadle/task_type.h"
#include "treadle/worker.h"

namespace treadle::testing {

// What the handler is told about the task, and what is told of it.
struct CallOptions {
  CallOptions() {}

  std::string task_id = "test-1";
  std::string queue = "default";
  int32_t attempt = 1;
  int32_t max_attempts = 3;
  int32_t priority = 0;
  Headers headers;
  // The attempt's timeout, and the task's deadline from now: the handler is told to stop when they
  // have passed. Real time. 0: none.
  Milliseconds attempt_timeout{0};
  Milliseconds deadline{0};
  // The handler is told to stop before it begins, or so long after: for this reason.
  StopReason stop = StopReason::kNone;
  Milliseconds stop_after{0};
  // Called on the handler's thread with each report of progress.
  std::function<void(double fraction, std::string_view message)> on_progress;
  // The same, with each text that it logs (TaskContext::Log, LogStandardError), and with each part
  // of its result (Emit).
  std::function<void(std::string_view text)> on_log;
  std::function<void(Payload part)> on_part;
};

namespace internal {
absl::StatusOr<Payload> CallRaw(const Worker& worker, const CallOptions& options,
                                std::string_view type, Payload payload);
}  // namespace internal

// Runs the worker's handler once, on this thread, without a broker: the worker need not run, and
// must not meanwhile be given more handlers. Arguments and result are encoded and decoded as on
// their way. A coroutine runs to its end on an event loop of its own.
//
// Returns what the client's future would give if this attempt were the last: its result, or the
// error with a TaskError inside (GetTaskError), with the type that the exception or the status has.
// Told to stop, an attempt that did stop has ended CANCELLED (kCancelled) or EXPIRED (kDeadline);
// with kShutdown or kLeaseLost there is no outcome: ABORTED without a TaskError, for the broker
// would run it again.
template <typename R, typename... Args>
ResultOf<R> Call(const Worker& worker, const CallOptions& options, const TaskType<R(Args...)>& type,
                 const std::type_identity_t<std::decay_t<Args>>&... args) {
  absl::StatusOr<Payload> payload = EncodeArguments(args...);
  if (!payload.ok()) return payload.status();
  const absl::StatusOr<Payload> result =
      internal::CallRaw(worker, options, type.name(), *std::move(payload));
  if (!result.ok()) return result.status();
  return DecodeResult<R>(result->bytes, result->content_type);
}
template <typename R, typename... Args>
ResultOf<R> Call(const Worker& worker, const TaskType<R(Args...)>& type,
                 const std::type_identity_t<std::decay_t<Args>>&... args) {
  return Call(worker, CallOptions(), type, args...);
}

}  // namespace treadle::testing
