#include "treadle/process.h"

#include <csignal>

#include "treadle/task_error.h"

namespace treadle {
namespace {

absl::Status NotStarted() { return absl::FailedPreconditionError("not started: Start it first"); }

}  // namespace

absl::Status Thread::Start() {
  std::lock_guard lock(mutex_);
  if (task_.has_value()) {
    return absl::FailedPreconditionError("started before: a thread or process starts once");
  }
  task_ = start_();
  return absl::OkStatus();
}

std::optional<FutureBase> Thread::task() const {
  std::lock_guard lock(mutex_);
  return task_;
}

absl::Status Thread::Join(Timeout timeout) const {
  const std::optional<FutureBase> started = task();
  if (!started.has_value()) return NotStarted();
  absl::Status status = started->Wait(timeout);
  return GetTaskError(status).has_value() ? absl::OkStatus() : status;
}

bool Thread::IsAlive() const {
  const std::optional<FutureBase> started = task();
  return started.has_value() && !started->Done();
}

std::string Thread::Ident() const {
  const std::optional<FutureBase> started = task();
  return started.has_value() ? started->Id() : std::string();
}

std::optional<TaskError> Process::Error() const {
  const std::optional<FutureBase> started = task();
  return started.has_value() ? started->Error() : std::nullopt;
}

std::optional<int> Process::ExitCode() const {
  const std::optional<FutureBase> started = task();
  if (!started.has_value() || !started->Done()) return std::nullopt;
  if (started->Wait().ok()) return 0;
  if (started->Cancelled()) return -SIGTERM;
  const std::optional<TaskError> error = started->Error();
  if (!error.has_value()) return 1;
  if (error->signal) return -*error->signal;
  // A program that said 0 and was not done has failed all the same.
  const int code = error->exit_code.value_or(1);
  return code == 0 ? 1 : code;
}

absl::Status Process::Terminate() {
  const std::optional<FutureBase> started = task();
  if (!started.has_value()) return NotStarted();
  started->Cancel();
  return absl::OkStatus();
}

}  // namespace treadle
