#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace treadle {

namespace v1 {
class Outcome;
}  // namespace v1

// Error types of Treadle's own.
inline constexpr std::string_view kAttemptTimeoutError = "AttemptTimeout";
inline constexpr std::string_view kWorkerLostError = "WorkerLost";
inline constexpr std::string_view kHandlerNotFoundError = "HandlerNotFound";
inline constexpr std::string_view kDeadlineExceededError = "DeadlineExceeded";
inline constexpr std::string_view kCancelledError = "Cancelled";
inline constexpr std::string_view kExitStatusError = "ExitStatus";
inline constexpr std::string_view kSignalError = "Signal";

// The ways in which a task ends without success.
enum class TaskEnd { kFailed, kCancelled, kExpired };

// "FAILED", "CANCELLED", "EXPIRED".
std::string_view ToString(TaskEnd end);

// How a task ended without success, as its worker or the broker told it.
struct TaskError {
  TaskError() = default;

  std::string task_id;  // empty: cancelled before it became a task
  TaskEnd end = TaskEnd::kFailed;
  std::string type;  // an exception's type name, or one of the above
  std::string message;
  std::string worker;    // that ran the last attempt; empty: none did
  int32_t attempt = 0;   // the one that failed, from 1; 0: none ran
  int32_t attempts = 0;  // that began
  bool permanent = false;
  std::optional<int32_t> exit_code;       // of a program that ended by itself
  std::optional<int32_t> signal;          // that ended a program, as its system counts them
  std::optional<int64_t> retry_after_ms;  // as the handler asked for the next attempt
  // What a program can read of the failure, and its content type, as Codec<T>::Decode takes them;
  // of an exec task what its program wrote to standard output. Empty: nothing.
  std::string details;
  std::string details_type;
};

// A task's end as a status, with the whole error inside, so that nothing is lost on the way through
// code that knows absl::Status alone: the message in its words, the rest in a payload that people
// can read where a status is printed.
//
//   CANCELLED                        CANCELLED
//   EXPIRED, "AttemptTimeout"        DEADLINE_EXCEEDED
//   "WorkerLost"                     ABORTED
//   "HandlerNotFound"                UNIMPLEMENTED
//   type is a canonical code's name  that code: handlers that return absl::Status keep their code
//   ("NOT_FOUND", ...)
//   any other failure                UNKNOWN, as gRPC has it for an exception on the other side
absl::Status ToStatus(const TaskError& error);

// The task's error inside a status that a Future gave. None: the status is not about the task but
// about the call: a submit that was refused, a wait that timed out, a lost broker. Where code on
// the way has put words before the status's own the message is still found; where it has replaced
// them it is they.
std::optional<TaskError> GetTaskError(const absl::Status& status);

// The `type` under which a handler's status travels: "NOT_FOUND" for kNotFound, and so on.
std::string ErrorType(absl::StatusCode code);

// REQUIRES: the outcome's state is FAILED, CANCELLED or EXPIRED.
TaskError ErrorOf(const v1::Outcome& outcome);

}  // namespace treadle
