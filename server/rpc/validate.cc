#include "server/rpc/validate.h"

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/utf8.h"

// The checks that all messages share, and those of queues. validate_task.cc: what clients submit
// and ask for. validate_worker.cc: what workers say.

namespace treadle::rpc {
namespace {

constexpr size_t kShownBytesMax = 60;

}  // namespace

absl::Status ValidateOptionalName(absl::string_view field, const std::string& value) {
  if (value.size() > limits::kNameBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": has ", value.size(), " bytes; use at most ", limits::kNameBytesMax));
  }
  if (!IsPrintableUtf8(value)) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": has control characters or is not UTF-8; use printable text"));
  }
  return absl::OkStatus();
}

absl::Status ValidateName(absl::string_view field, const std::string& value) {
  if (value.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": empty; use 1 to ",
                                                   limits::kNameBytesMax,
                                                   " bytes of UTF-8 without control characters"));
  }
  return ValidateOptionalName(field, value);
}

absl::Status ValidateRange(absl::string_view field, int64_t value, int64_t min, int64_t max,
                           absl::string_view unit) {
  if (min <= value && value <= max) return absl::OkStatus();
  const absl::string_view space = unit.empty() ? "" : " ";
  return absl::InvalidArgumentError(absl::StrCat(
      field, ": ", value, space, unit, " is out of bounds; use ", min, " to ", max, space, unit));
}

absl::Status ValidatePageSize(int32_t value) {
  return ValidateRange("page_size", value, 0, limits::kPageSizeMax);
}

absl::Status ValidateBatch(absl::string_view field, int64_t count, int64_t min, int64_t max) {
  if (min <= count && count <= max) return absl::OkStatus();
  if (count == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": empty; send ", min, " to ", max, " in one request"));
  }
  return absl::InvalidArgumentError(absl::StrCat(field, ": has ", count, " items; send at most ",
                                                 max, " in one message, and the rest in another"));
}

absl::StatusOr<TaskId> ValidateTaskId(absl::string_view field, const std::string& value) {
  absl::StatusOr<TaskId> id = TaskId::Parse(value);
  if (id.ok()) return id;
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": '", CutMiddle(value, kShownBytesMax),
                   "' is not a task's id; use the id that submit returned, like 'cnsef1k6a7-1k9'"));
}

absl::Status ValidatePolicy(const v1::DeadLetterPolicy& policy) {
  absl::Status status = ValidateRange("dead_letters.max_tasks", policy.max_tasks(), 0,
                                      limits::kDeadLettersMax, "tasks");
  if (status.ok() && policy.has_max_bytes()) {
    status = ValidateRange("dead_letters.max_bytes", policy.max_bytes(), 1, limits::kQueueBytesMax,
                           "bytes");
  }
  if (status.ok() && policy.has_ttl_ms()) {
    status = ValidateRange("dead_letters.ttl_ms", policy.ttl_ms(), 1, limits::kAheadMsMax, "ms");
  }
  return status;
}

absl::Status ValidateBreaker(const v1::CircuitBreaker& breaker) {
  absl::Status status =
      ValidateRange("circuit_breaker.failure_percent", breaker.failure_percent(), 0, 100, "%");
  if (status.ok()) {
    status = ValidateRange("circuit_breaker.min_attempts", breaker.min_attempts(), 0,
                           limits::kBreakerAttemptsMax);
  }
  if (status.ok() && breaker.window_ms() != 0) {
    status = ValidateRange("circuit_breaker.window_ms", breaker.window_ms(),
                           limits::kBreakerWindowMsMin, limits::kBreakerWindowMsMax, "ms");
  }
  if (status.ok()) {
    status = ValidateRange("circuit_breaker.resume_after_ms", breaker.resume_after_ms(), 0,
                           limits::kAheadMsMax, "ms");
  }
  return status;
}

absl::Status ValidateUnserved(absl::string_view field, int64_t after_ms) {
  if (after_ms == 0) return absl::OkStatus();
  return ValidateRange(field, after_ms, limits::kFailUnservedAfterMsMin, limits::kAheadMsMax, "ms");
}

absl::Status ValidateQueue(const v1::QueueConfig& config) {
  if (absl::Status s = ValidateName("config.name", config.name()); !s.ok()) return s;
  if (!v1::Discipline_IsValid(config.discipline())) {
    return absl::InvalidArgumentError(
        absl::StrCat("config.discipline: ", config.discipline(),
                     " is not a Discipline; use DISCIPLINE_FIFO, DISCIPLINE_LIFO or "
                     "DISCIPLINE_PRIORITY"));
  }
  if (absl::Status s =
          ValidateRange("config.max_tasks", config.max_tasks(), 0, limits::kQueueTasksMax);
      !s.ok()) {
    return s;
  }
  if (absl::Status s =
          ValidateRange("config.max_bytes", config.max_bytes(), 0, limits::kQueueBytesMax, "bytes");
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateBreaker(config.circuit_breaker()); !s.ok()) return s;
  if (absl::Status s =
          ValidateUnserved("config.fail_unserved_after_ms", config.fail_unserved_after_ms());
      !s.ok()) {
    return s;
  }
  return ValidatePolicy(config.dead_letters());
}

absl::Status ValidateUpdate(const v1::UpdateQueueRequest& request) {
  if (absl::Status s = ValidateName("name", request.name()); !s.ok()) return s;
  if (absl::Status s = ValidateRange("max_tasks", request.max_tasks(), 0, limits::kQueueTasksMax);
      !s.ok()) {
    return s;
  }
  if (absl::Status s =
          ValidateRange("max_bytes", request.max_bytes(), 0, limits::kQueueBytesMax, "bytes");
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateBreaker(request.circuit_breaker()); !s.ok()) return s;
  if (absl::Status s = ValidateUnserved("fail_unserved_after_ms", request.fail_unserved_after_ms());
      !s.ok()) {
    return s;
  }
  if (request.if_version() < 0) {
    return absl::InvalidArgumentError(
        "if_version: below 0; use the version that GetQueue has told, or 0");
  }
  return ValidatePolicy(request.dead_letters());
}

}  // namespace treadle::rpc
