#include "client/process.h"

#include <csignal>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/task_error.h"

namespace treadle {
namespace {

absl::Status NotStarted() { return absl::FailedPreconditionError("not started: Start it first"); }

// The number in "exit status 2: ...".
std::optional<int> ExitStatusOf(const TaskError& error) {
  if (error.type != kExitStatusError) return std::nullopt;
  const std::vector<std::string> words = absl::StrSplit(error.message, absl::ByAnyChar(" :"));
  int status = 0;
  if (words.size() < 3 || !absl::SimpleAtoi(words[2], &status)) return std::nullopt;
  return status;
}

// The signal in "... ended by SIGKILL ...".
std::optional<int> SignalOf(const TaskError& error) {
  if (error.type != kSignalError) return std::nullopt;
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* const name = sigabbrev_np(signal);
    if (name != nullptr && absl::StrContains(error.message, absl::StrCat("SIG", name))) {
      return signal;
    }
  }
  return std::nullopt;
}

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
  if (const std::optional<int> signal = SignalOf(*error)) return -*signal;
  return ExitStatusOf(*error).value_or(1);
}

absl::Status Process::Terminate() {
  const std::optional<FutureBase> started = task();
  if (!started.has_value()) return NotStarted();
  started->Cancel();
  return absl::OkStatus();
}

}  // namespace treadle
