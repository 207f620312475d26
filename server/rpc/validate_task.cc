#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/utf8.h"
#include "proto/wire/column.h"
#include "server/rpc/validate.h"

namespace treadle::rpc {
namespace {

absl::Status ValidateHeaders(const v1::TaskSpec& task) {
  if (task.headers().empty()) return absl::OkStatus();
  if (task.headers().size() > limits::kHeadersMax) {
    return absl::InvalidArgumentError(absl::StrCat("headers: has ", task.headers().size(),
                                                   " entries; use at most ", limits::kHeadersMax));
  }
  size_t bytes = 0;
  for (const auto& [key, value] : task.headers()) {
    if (key.empty() || !IsPrintableUtf8(key)) {
      return absl::InvalidArgumentError(
          "headers: a key is empty or has control characters; use printable text");
    }
    bytes += key.size() + value.size();
  }
  if (bytes > limits::kHeadersBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("headers: have ", bytes, " bytes together; use at most ",
                     limits::kHeadersBytesMax, ", and the payload for more"));
  }
  return absl::OkStatus();
}

// Written so that a NaN is out of bounds.
absl::Status ValidateFraction(absl::string_view field, double value, double min, double max) {
  if (min <= value && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value, " is out of bounds; use ", min, " to ", max));
}

absl::Status ValidateRetry(const v1::RetryPolicy& retry) {
  if (absl::Status s = ValidateRange("retry.initial_delay_ms", retry.initial_delay_ms(), 0,
                                     limits::kRetryDelayMsMax, "ms");
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateRange("retry.max_delay_ms", retry.max_delay_ms(), 0,
                                     limits::kRetryDelayMsMax, "ms");
      !s.ok()) {
    return s;
  }
  if (retry.multiplier() != 0) {
    if (absl::Status s = ValidateFraction("retry.multiplier", retry.multiplier(), 1,
                                          limits::kRetryMultiplierMax);
        !s.ok()) {
      return s;
    }
  }
  if (absl::Status s = ValidateFraction("retry.jitter", retry.jitter(), 0, 1); !s.ok()) return s;
  if (absl::Status s =
          ValidateBatch("retry.no_retry_error_types", retry.no_retry_error_types_size(), 0,
                        limits::kNoRetryTypesMax);
      !s.ok()) {
    return s;
  }
  for (const std::string& type : retry.no_retry_error_types()) {
    if (absl::Status s = ValidateName("retry.no_retry_error_types", type); !s.ok()) return s;
  }
  return absl::OkStatus();
}

// An absolute time; a past one is fine, for it means something.
absl::Status ValidateTime(absl::string_view field, int64_t at_ms, int64_t wall_ms) {
  if (at_ms < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ": ", at_ms, " is negative; use Unix time in milliseconds"));
  }
  if (at_ms - wall_ms > limits::kAheadMsMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        field, ": ", at_ms, " is more than 366 days ahead; use Unix time in milliseconds"));
  }
  return absl::OkStatus();
}

absl::Status ValidateTimes(const v1::TaskSpec& task, int64_t wall_ms) {
  absl::Status s;
  if (task.start_case() == v1::TaskSpec::kRunAtMs) {
    s = ValidateTime("run_at_ms", task.run_at_ms(), wall_ms);
  } else if (task.start_case() == v1::TaskSpec::kDelayMs) {
    s = ValidateRange("delay_ms", task.delay_ms(), 0, limits::kAheadMsMax, "ms");
  }
  if (!s.ok()) return s;
  if (task.expiry_case() == v1::TaskSpec::kDeadlineAtMs) {
    s = ValidateTime("deadline_at_ms", task.deadline_at_ms(), wall_ms);
  } else if (task.expiry_case() == v1::TaskSpec::kDeadlineInMs) {
    s = ValidateRange("deadline_in_ms", task.deadline_in_ms(), 0, limits::kAheadMsMax, "ms");
  }
  if (!s.ok()) return s;
  s = ValidateRange("attempt_timeout_ms", task.attempt_timeout_ms(), 0,
                    limits::kAttemptTimeoutMsMax, "ms");
  if (!s.ok()) return s;
  s = ValidateRange("result_ttl_ms", task.result_ttl_ms(), 0, limits::kAheadMsMax, "ms");
  if (!s.ok()) return s;
  return ValidateRange("wait_if_full_ms", task.wait_if_full_ms(), 0, limits::kWaitIfFullMsMax,
                       "ms");
}

// `last`: the sequence before.
absl::Status ValidateRun(int index, const v1::TaskRun& run, uint64_t last) {
  const std::string path = absl::StrCat("runs[", index, "].");
  const int64_t tasks = run.payload_sizes_size();
  if (tasks == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path,
                     "payload_sizes: empty; send one number for each task, 0 for a task "
                     "without payload"));
  }
  const uint64_t first = run.first_sequence();
  if (first <= last || first > kSequenceMax - static_cast<uint64_t>(tasks)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, "first_sequence: ", first, " after ", last,
                     "; number the session's tasks 1, 2, 3, ... and send them in that order"));
  }
  const uint64_t bytes = wire::BytesOf(run.payload_sizes());
  if (bytes != run.payloads().size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, "payload_sizes: add up to ", bytes, " bytes, and payloads has ",
                     run.payloads().size(), "; send as many as the sizes say"));
  }
  return ValidateCommon(path, run.common(), tasks, run.request_keys_size());
}

}  // namespace

absl::Status ValidateOptions(const v1::TaskSpec& task, int64_t wall_ms) {
  if (absl::Status s = ValidateName("queue", task.queue()); !s.ok()) return s;
  if (absl::Status s = ValidateName("type", task.type()); !s.ok()) return s;
  if (absl::Status s = ValidateOptionalName("content_type", task.content_type()); !s.ok()) return s;
  if (absl::Status s = ValidateHeaders(task); !s.ok()) return s;
  if (absl::Status s = ValidateTimes(task, wall_ms); !s.ok()) return s;
  if (absl::Status s = ValidateRange("max_attempts", task.max_attempts(), 0, limits::kAttemptsMax);
      !s.ok()) {
    return s;
  }
  if (task.has_retry()) {
    if (absl::Status s = ValidateRetry(task.retry()); !s.ok()) return s;
  }
  if (!v1::Durability_IsValid(task.durability())) {
    return absl::InvalidArgumentError(
        absl::StrCat("durability: ", task.durability(),
                     " is not a Durability; use DURABILITY_MEMORY, DURABILITY_WRITTEN or "
                     "DURABILITY_SYNCED"));
  }
  return absl::OkStatus();
}

absl::Status ValidatePayload(int64_t bytes, const Bounds& bounds) {
  if (bytes <= bounds.payload_bytes_max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("payload: has ", bytes, " bytes; send at most ",
                                                 bounds.payload_bytes_max,
                                                 " (the server's --payload-max)"));
}

absl::Status ValidateCommon(absl::string_view path, const v1::TaskSpec& common, int64_t tasks,
                            int64_t request_keys) {
  if (!common.payload().empty() || !common.request_key().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path,
                     "common: has a payload or a request_key of its own; say each task's in "
                     "the columns beside it"));
  }
  if (request_keys == 0 || request_keys == tasks) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, "request_keys: has ", request_keys,
                                                 " items for ", tasks,
                                                 " tasks; send one for each, or none"));
}

absl::Status ValidateOpen(const v1::SessionOpen& open) {
  if (absl::Status s = ValidateOptionalName("open.client_name", open.client_name()); !s.ok()) {
    return s;
  }
  // An absent one fits no session: that is NOT_FOUND, and the broker's to say.
  const std::string& secret = open.resume_secret();
  if (!secret.empty() && (open.session_id() == 0 || secret.size() != limits::kResumeSecretBytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("open.resume_secret: has ", secret.size(), " bytes with session_id ",
                     open.session_id(), "; send the ", limits::kResumeSecretBytes,
                     " bytes that the session's SessionOpened gave, or "
                     "neither for a new session"));
  }
  return absl::OkStatus();
}

absl::Status ValidateSession(const v1::SessionRequest& request, const Bounds& bounds) {
  const int64_t max = bounds.batch_tasks_max;
  if (absl::Status s = ValidateBatch("await_task_ids", request.await_task_ids_size(), 0, max);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ValidateBatch("cancel_task_ids", request.cancel_task_ids_size(), 0, max);
      !s.ok()) {
    return s;
  }
  int64_t tasks = 0;
  uint64_t last = 0;
  for (int i = 0; i < request.runs_size(); ++i) {
    const v1::TaskRun& run = request.runs(i);
    if (absl::Status s = ValidateRun(i, run, last); !s.ok()) return s;
    tasks += run.payload_sizes_size();
    last = run.first_sequence() + static_cast<uint64_t>(run.payload_sizes_size()) - 1;
  }
  return ValidateBatch("runs", tasks, 0, max);
}

absl::Status ValidateListTasks(const v1::ListTasksRequest& request) {
  if (absl::Status s = ValidateOptionalName("queue", request.queue()); !s.ok()) return s;
  if (absl::Status s = ValidateOptionalName("type", request.type()); !s.ok()) return s;
  if (absl::Status s = ValidatePageSize(request.page_size()); !s.ok()) return s;
  if (absl::Status s = ValidateBatch("states", request.states_size(), 0, 100); !s.ok()) return s;
  for (int i = 0; i < request.states_size(); ++i) {
    const int state = request.states(i);
    if (!v1::TaskState_IsValid(state) || state == v1::TASK_STATE_UNSPECIFIED) {
      return absl::InvalidArgumentError(absl::StrCat("states[", i, "]: ", state,
                                                     " is not a TaskState; use TASK_STATE_QUEUED "
                                                     "and its like"));
    }
    if (state >= v1::TASK_STATE_SUCCEEDED && !request.include_finished()) {
      return absl::InvalidArgumentError(
          absl::StrCat("states[", i, "]: ", v1::TaskState_Name(request.states(i)),
                       " is final; set include_finished to see such tasks"));
    }
  }
  return absl::OkStatus();
}

}  // namespace treadle::rpc
