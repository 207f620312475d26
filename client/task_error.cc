#include "client/task_error.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"

namespace treadle {
namespace {

constexpr char kPayloadType[] = "type.googleapis.com/treadle.v1.Outcome";

// Canonical codes by name; UNKNOWN for any other type.
absl::StatusCode CodeOfName(std::string_view type) {
  for (int code = 1; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
    if (type == absl::StatusCodeToString(static_cast<absl::StatusCode>(code))) {
      return static_cast<absl::StatusCode>(code);
    }
  }
  return absl::StatusCode::kUnknown;
}

absl::StatusCode CodeOf(const TaskError& error) {
  if (error.state == v1::TASK_STATE_CANCELLED) return absl::StatusCode::kCancelled;
  if (error.state == v1::TASK_STATE_EXPIRED) return absl::StatusCode::kDeadlineExceeded;
  if (error.type == kAttemptTimeoutError) return absl::StatusCode::kDeadlineExceeded;
  if (error.type == kWorkerLostError) return absl::StatusCode::kAborted;
  if (error.type == kHandlerNotFoundError) return absl::StatusCode::kUnimplemented;
  return CodeOfName(error.type);
}

std::string Describe(const TaskError& error) {
  std::string text = error.type.empty() ? "task failed" : error.type;
  if (!error.message.empty()) absl::StrAppend(&text, ": ", error.message);
  if (error.task_id.empty()) return text;
  absl::StrAppend(&text, " (task ", error.task_id);
  if (error.attempt > 0) absl::StrAppend(&text, ", attempt ", error.attempt);
  if (!error.worker.empty()) absl::StrAppend(&text, ", worker ", error.worker);
  absl::StrAppend(&text, ")");
  return text;
}

}  // namespace

absl::Status ToStatus(const TaskError& error) {
  v1::Outcome outcome;
  outcome.set_task_id(error.task_id);
  outcome.set_state(error.state);
  outcome.set_attempts(error.attempts);
  outcome.mutable_error()->set_type(error.type);
  outcome.mutable_error()->set_message(error.message);
  outcome.mutable_error()->set_worker(error.worker);
  outcome.mutable_error()->set_attempt(error.attempt);
  outcome.mutable_error()->set_permanent(error.permanent);
  absl::Status status(CodeOf(error), Describe(error));
  status.SetPayload(kPayloadType, absl::Cord(outcome.SerializeAsString()));
  return status;
}

std::optional<TaskError> GetTaskError(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadType);
  v1::Outcome outcome;
  if (!payload.has_value() || !outcome.ParseFromString(std::string(*payload))) return std::nullopt;
  return ErrorOf(outcome);
}

std::string ErrorType(absl::StatusCode code) { return absl::StatusCodeToString(code); }

TaskError ErrorOf(const v1::Outcome& outcome) {
  TREADLE_ASSERT(outcome.state() != v1::TASK_STATE_SUCCEEDED);
  TaskError error;
  error.task_id = outcome.task_id();
  error.state = outcome.state();
  error.type = outcome.error().type();
  error.message = outcome.error().message();
  error.worker = outcome.error().worker();
  error.attempt = outcome.error().attempt();
  error.attempts = outcome.attempts();
  error.permanent = outcome.error().permanent();
  return error;
}

}  // namespace treadle
