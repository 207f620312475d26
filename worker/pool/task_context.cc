#include "treadle/task_context.h"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/utf8.h"
#include "treadle/permanent_error.h"
#include "worker/pool/attempt.h"
#include "worker/pool/client_slot.h"
#include "worker/pool/output.h"
#include "worker/pool/pool.h"

namespace treadle {
namespace {

// Some 146 years: what comes to more has no place in the clock.
constexpr std::chrono::nanoseconds kSleepMax = std::chrono::nanoseconds::max() / 2;

}  // namespace

const std::string& TaskContext::task_id() const { return attempt_.task_id(); }
const std::string& TaskContext::queue() const { return attempt_.info().queue; }
const std::string& TaskContext::type() const { return attempt_.info().type; }
int32_t TaskContext::priority() const { return attempt_.info().priority; }
int32_t TaskContext::attempt() const { return attempt_.info().attempt; }
int32_t TaskContext::max_attempts() const { return attempt_.info().max_attempts; }
const Headers& TaskContext::headers() const { return attempt_.info().headers; }
std::string TaskContext::traceparent() const { return attempt_.traceparent(); }
const std::string& TaskContext::content_type() const { return attempt_.info().content_type; }
StopReason TaskContext::stop_reason() const { return attempt_.stop_reason(); }
std::optional<std::chrono::steady_clock::time_point> TaskContext::deadline() const {
  return attempt_.ends_by();
}

std::stop_token TaskContext::stop_token() const {
  looked_.store(true, std::memory_order_relaxed);
  return attempt_.stop_token();
}

bool TaskContext::stop_requested() const {
  looked_.store(true, std::memory_order_relaxed);
  return stop_reason() != StopReason::kNone;
}

bool TaskContext::SleepFor(std::chrono::nanoseconds duration) const {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop_token(), std::min(duration, kSleepMax), [] { return false; });
  return stop_reason() == StopReason::kNone;
}

std::optional<std::chrono::milliseconds> TaskContext::time_left() const {
  const auto end = deadline();
  if (!end) return std::nullopt;
  return std::max(std::chrono::milliseconds(0),
                  std::chrono::duration_cast<std::chrono::milliseconds>(
                      *end - std::chrono::steady_clock::now()));
}

void TaskContext::ReportProgress(double fraction, std::string_view message) {
  events_.Progress(attempt_, fraction, message);
}

void TaskContext::Log(std::string_view text) {
  worker::SayText(attempt_, events_, worker::OutputKind::kLog, text);
}

void TaskContext::LogStandardError(std::string_view bytes) {
  worker::SayText(attempt_, events_, worker::OutputKind::kStandardError, bytes);
}

void TaskContext::EmitEncoded(absl::StatusOr<Payload> part) {
  if (!part.ok()) {
    throw PermanentError(absl::StatusCodeToString(part.status().code()),
                         absl::StrCat("TaskContext::Emit: ", part.status().message()));
  }
  if (std::ssize(part->bytes) > limits::kOutputEntryBytesMax) {
    throw PermanentError(
        "PartTooLarge",
        absl::StrCat("TaskContext::Emit: the part has ", part->bytes.size(),
                     " bytes: emit parts of at most ", limits::kOutputEntryBytesMax));
  }
  if (std::ssize(part->content_type) > limits::kContentTypeBytesMax ||
      !IsPrintableUtf8(part->content_type)) {
    throw PermanentError(
        "BadContentType",
        absl::StrCat("TaskContext::Emit: the part's content type '",
                     CutMiddle(part->content_type, 80), "': write at most ",
                     limits::kContentTypeBytesMax, " bytes of UTF-8 without control characters"));
  }
  worker::Say(attempt_, events_,
              worker::OutputEntry(worker::OutputKind::kPart, std::move(part->bytes),
                                  std::move(part->content_type)));
}

Client& TaskContext::client() const { return client_.Get(); }

bool TaskContext::may_have_stopped() const {
  return looked_.load(std::memory_order_relaxed) && stop_reason() != StopReason::kNone;
}

}  // namespace treadle
