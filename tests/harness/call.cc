#include "treadle/testing/call.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

#include "treadle/task_error.h"
#include "worker/pool/attempt.h"
#include "worker/pool/handlers.h"
#include "worker/pool/pool.h"

namespace treadle::worker {

class HandlersOf {
 public:
  static const Handlers& Get(const Worker& worker) { return worker.handlers(); }
};

}  // namespace treadle::worker

namespace treadle::testing {
namespace internal {
namespace {

using std::chrono::steady_clock;

class Listener final : public worker::AttemptEvents {
 public:
  explicit Listener(const CallOptions& options) : options_(options) {}
  bool Begin(const worker::AttemptPtr&) override { return true; }
  void End(const worker::AttemptPtr&, worker::AttemptResult) override {}
  void Progress(const worker::Attempt&, double fraction, std::string_view message) override {
    if (options_.on_progress) options_.on_progress(fraction, message);
  }
  bool Output(const worker::Attempt&, worker::OutputEntry& entry,
              const std::function<void()>&) override {
    if (entry.kind == worker::OutputKind::kPart) {
      if (options_.on_part) {
        options_.on_part(Payload(std::move(entry.data), std::move(entry.content_type)));
      }
    } else if (options_.on_log) {
      options_.on_log(entry.data);
    }
    return true;
  }
  void Warn(std::string) override {}

 private:
  const CallOptions& options_;
};

// Tells the attempt to stop when its time has come, unless it ends before.
class StopTimer {
 public:
  StopTimer(worker::Attempt& attempt, steady_clock::time_point at, StopReason reason)
      : thread_([this, &attempt, at, reason] {
          std::unique_lock lock(mutex_);
          if (ended_.wait_until(lock, at, [this] { return over_; })) return;
          lock.unlock();
          attempt.RequestStop(reason);
        }) {}
  ~StopTimer() {
    {
      std::lock_guard lock(mutex_);
      over_ = true;
    }
    ended_.notify_one();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

worker::AttemptInfo InfoOf(const CallOptions& options, std::string_view type,
                           const std::string& content_type) {
  worker::AttemptInfo info;
  info.queue = options.queue;
  info.type = type;
  info.content_type = content_type;
  info.headers = options.headers;
  info.attempt = options.attempt;
  info.max_attempts = options.max_attempts;
  info.priority = options.priority;
  info.timeout = options.attempt_timeout;
  if (options.deadline.count() > 0) info.deadline = steady_clock::now() + options.deadline;
  return info;
}

TaskError ErrorOf(const CallOptions& options, TaskEnd end, std::string_view type,
                  std::string message) {
  TaskError error;
  error.task_id = options.task_id;
  error.end = end;
  error.type = type;
  error.message = std::move(message);
  error.attempt = error.attempts = options.attempt;
  return error;
}

absl::StatusOr<Payload> ToOutcome(const CallOptions& options, StopReason reason,
                                  worker::AttemptResult result) {
  switch (result.end) {
    case worker::AttemptEnd::kSucceeded:
      return Payload(std::move(result.bytes), std::move(result.content_type));
    case worker::AttemptEnd::kFailed: {
      TaskError error =
          ErrorOf(options, TaskEnd::kFailed, result.error_type, std::move(result.error_message));
      error.permanent = result.permanent;
      return ToStatus(error);
    }
    case worker::AttemptEnd::kStopped:
    case worker::AttemptEnd::kReleased:
      break;
  }
  if (reason == StopReason::kCancelled) {
    return ToStatus(
        ErrorOf(options, TaskEnd::kCancelled, kCancelledError, "the task was cancelled"));
  }
  if (reason == StopReason::kDeadline) {
    return ToStatus(ErrorOf(options, TaskEnd::kExpired, kDeadlineExceededError,
                            "the task's deadline has passed"));
  }
  return absl::AbortedError(absl::StrCat("the handler stopped (", std::string(ToString(reason)),
                                         "): a broker would run the task again"));
}

}  // namespace

absl::StatusOr<Payload> CallRaw(const Worker& worker, const CallOptions& options,
                                std::string_view type, Payload payload) {
  worker::Attempt attempt({options.task_id, /*token=*/1},
                          InfoOf(options, type, payload.content_type), std::move(payload.bytes));
  const steady_clock::time_point now = steady_clock::now();
  attempt.StartClock(now);
  std::optional<StopTimer> bound;
  std::optional<StopTimer> told;
  if (attempt.ends_by()) bound.emplace(attempt, *attempt.ends_by(), attempt.ends_by_reason());
  if (options.stop != StopReason::kNone) {
    if (options.stop_after.count() <= 0) {
      attempt.RequestStop(options.stop);
    } else {
      told.emplace(attempt, now + options.stop_after, options.stop);
    }
  }
  Listener listener(options);
  worker::AttemptResult result =
      worker::RunHandler(worker::HandlersOf::Get(worker), attempt, listener);
  told.reset();
  bound.reset();
  return ToOutcome(options, attempt.stop_reason(), std::move(result));
}

}  // namespace internal
}  // namespace treadle::testing
