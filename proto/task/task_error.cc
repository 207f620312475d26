#include "treadle/task_error.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "proto/support/assert.h"
#include "proto/support/text.h"
#include "treadle/v1/task.pb.h"

namespace treadle {
namespace {

constexpr char kPayloadType[] = "treadle/task_error";
// May be long, and of any bytes.
constexpr char kDetailsPayload[] = "treadle/task_error.details";

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
  if (error.end == TaskEnd::kCancelled) return absl::StatusCode::kCancelled;
  if (error.end == TaskEnd::kExpired) return absl::StatusCode::kDeadlineExceeded;
  if (error.type == kAttemptTimeoutError) return absl::StatusCode::kDeadlineExceeded;
  if (error.type == kWorkerLostError) return absl::StatusCode::kAborted;
  if (error.type == kHandlerNotFoundError) return absl::StatusCode::kUnimplemented;
  return CodeOfName(error.type);
}

// What comes before the message and behind it in a status's words.
std::string Head(const TaskError& error) { return error.type.empty() ? "task failed" : error.type; }

std::string Tail(const TaskError& error) {
  if (error.task_id.empty()) return "";
  std::string text = absl::StrCat(" (task ", error.task_id);
  if (error.attempt > 0) absl::StrAppend(&text, ", attempt ", error.attempt);
  if (!error.worker.empty()) absl::StrAppend(&text, ", worker ", error.worker);
  absl::StrAppend(&text, ")");
  return text;
}

std::string Describe(const TaskError& error) {
  const std::string message = error.message.empty() ? "" : absl::StrCat(": ", error.message);
  return absl::StrCat(Head(error), message, Tail(error));
}

// The message inside the words; all of them, if they are not Describe's any more.
std::string MessageIn(absl::string_view words, const TaskError& error) {
  const std::string tail = Tail(error);
  if (words == Head(error) + tail) return "";
  const std::string head = Head(error) + ": ";
  const size_t begin = words.find(head);
  if (begin == absl::string_view::npos) return std::string(words);
  words.remove_prefix(begin + head.size());
  return std::string(words.substr(0, tail.empty() ? absl::string_view::npos : words.rfind(tail)));
}

// A value among others, as text that needs no escapes when a status is printed.
std::string Escaped(absl::string_view value) {
  std::string text;
  for (const char c : value) {
    if (absl::ascii_isgraph(static_cast<unsigned char>(c)) && !absl::StrContains("%='\"\\", c)) {
      text.push_back(c);
    } else {
      absl::StrAppend(&text, "%", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    }
  }
  return text;
}

std::string Unescaped(absl::string_view text) {
  std::string value;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t byte = 0;
    if (text[i] == '%' && absl::SimpleHexAtoi(text.substr(i + 1, 2), &byte)) {
      value.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      value.push_back(text[i]);
    }
  }
  return value;
}

// "state=FAILED attempt=3 attempts=3 permanent=0 type=ValueError task=3f-1k9 worker=loom:12"
std::string Fields(const TaskError& error) {
  std::string text = absl::StrCat("state=", Absl(ToString(error.end)), " attempt=", error.attempt,
                                  " attempts=", error.attempts, " permanent=", error.permanent);
  if (!error.type.empty()) absl::StrAppend(&text, " type=", Escaped(error.type));
  if (!error.task_id.empty()) absl::StrAppend(&text, " task=", Escaped(error.task_id));
  if (!error.worker.empty()) absl::StrAppend(&text, " worker=", Escaped(error.worker));
  if (error.exit_code) absl::StrAppend(&text, " exit_code=", *error.exit_code);
  if (error.signal) absl::StrAppend(&text, " signal=", *error.signal);
  if (error.retry_after_ms) absl::StrAppend(&text, " retry_after_ms=", *error.retry_after_ms);
  if (!error.details_type.empty()) {
    absl::StrAppend(&text, " details_type=", Escaped(error.details_type));
  }
  return text;
}

// False: no fields of a TaskError.
bool ReadField(absl::string_view name, absl::string_view text, TaskError& error) {
  if (name == "state") {
    for (const TaskEnd end : {TaskEnd::kFailed, TaskEnd::kCancelled, TaskEnd::kExpired}) {
      if (Absl(ToString(end)) != text) continue;
      error.end = end;
      return true;
    }
    return false;
  }
  if (name == "attempt") return absl::SimpleAtoi(text, &error.attempt);
  if (name == "attempts") return absl::SimpleAtoi(text, &error.attempts);
  if (name == "permanent") return absl::SimpleAtob(text, &error.permanent);
  if (name == "exit_code") return absl::SimpleAtoi(text, &error.exit_code.emplace());
  if (name == "signal") return absl::SimpleAtoi(text, &error.signal.emplace());
  if (name == "retry_after_ms") return absl::SimpleAtoi(text, &error.retry_after_ms.emplace());
  if (name == "details_type") error.details_type = Unescaped(text);
  if (name == "type") error.type = Unescaped(text);
  if (name == "task") error.task_id = Unescaped(text);
  if (name == "worker") error.worker = Unescaped(text);
  return true;
}

TaskEnd EndOf(v1::TaskState state) {
  if (state == v1::TASK_STATE_CANCELLED) return TaskEnd::kCancelled;
  return state == v1::TASK_STATE_EXPIRED ? TaskEnd::kExpired : TaskEnd::kFailed;
}

}  // namespace

std::string_view ToString(TaskEnd end) {
  switch (end) {
    case TaskEnd::kFailed:
      return "FAILED";
    case TaskEnd::kCancelled:
      return "CANCELLED";
    case TaskEnd::kExpired:
      return "EXPIRED";
  }
  return "unknown";
}

absl::Status ToStatus(const TaskError& error) {
  absl::Status status(CodeOf(error), Describe(error));
  status.SetPayload(kPayloadType, absl::Cord(absl::string_view(Fields(error))));
  if (!error.details.empty())
    status.SetPayload(kDetailsPayload, absl::Cord(absl::string_view(error.details)));
  return status;
}

std::optional<TaskError> GetTaskError(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadType);
  if (!payload.has_value()) return std::nullopt;
  TaskError error;
  const std::string fields(*payload);
  for (const absl::string_view field : absl::StrSplit(fields, ' ')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(field, absl::MaxSplits('=', 1));
    if (!ReadField(parts.first, parts.second, error)) return std::nullopt;
  }
  error.message = MessageIn(status.message(), error);
  if (const absl::optional<absl::Cord> details = status.GetPayload(kDetailsPayload)) {
    error.details = std::string(*details);
  }
  return error;
}

std::string ErrorType(absl::StatusCode code) { return absl::StatusCodeToString(code); }

TaskError ErrorOf(const v1::Outcome& outcome) {
  TREADLE_ASSERT(outcome.state() != v1::TASK_STATE_SUCCEEDED);
  TaskError error;
  error.task_id = outcome.task_id();
  error.end = EndOf(outcome.state());
  error.type = outcome.error().type();
  error.message = outcome.error().message();
  error.worker = outcome.error().worker();
  error.attempt = outcome.error().attempt();
  error.attempts = outcome.attempts();
  error.permanent = outcome.error().permanent();
  if (outcome.error().has_exit_code()) error.exit_code = outcome.error().exit_code();
  if (outcome.error().has_signal()) error.signal = outcome.error().signal();
  if (outcome.error().has_retry_after_ms()) {
    error.retry_after_ms = outcome.error().retry_after_ms();
  }
  error.details = outcome.error().details();
  error.details_type = outcome.error().details_type();
  return error;
}

}  // namespace treadle
