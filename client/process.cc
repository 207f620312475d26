#include "treadle/process.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "treadle/task_error.h"

namespace treadle {
namespace {

absl::Status NotStarted() { return absl::FailedPreconditionError("not started: Start it first"); }

// What follows the first of these words. None: they are not there.
std::optional<absl::string_view> After(absl::string_view text, absl::string_view words) {
  const size_t begin = text.find(words);
  if (begin == absl::string_view::npos) return std::nullopt;
  return text.substr(begin + words.size());
}

// The number at the beginning.
std::optional<int> NumberOf(absl::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), absl::ascii_isdigit);
  int number = 0;
  if (!absl::SimpleAtoi(text.substr(0, static_cast<size_t>(end - text.begin())), &number)) {
    return std::nullopt;
  }
  return number;
}

// The number in "exit status 2: ...", which is a program's, or in "... ended with exit code 2 ...",
// which is a process pool's.
std::optional<int> ExitStatusOf(const TaskError& error) {
  if (error.type != kExitStatusError) return std::nullopt;
  constexpr absl::string_view kProgram = "exit status ";
  if (absl::StartsWith(error.message, kProgram)) {
    return NumberOf(absl::string_view(error.message).substr(kProgram.size()));
  }
  const auto pool = After(error.message, "ended with exit code ");
  return pool ? NumberOf(*pool) : std::nullopt;
}

// The signal in "... ended by SIGKILL ...", or in "... ended by signal 34".
std::optional<int> SignalOf(const TaskError& error) {
  if (error.type != kSignalError) return std::nullopt;
  const auto ended_by = After(error.message, "ended by ");
  if (!ended_by) return std::nullopt;
  if (absl::StartsWith(*ended_by, "signal ")) return NumberOf(ended_by->substr(7));
  const auto end = std::find_if_not(ended_by->begin(), ended_by->end(), absl::ascii_isalnum);
  const absl::string_view name = ended_by->substr(0, static_cast<size_t>(end - ended_by->begin()));
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* const known = sigabbrev_np(signal);
    if (known != nullptr && name == absl::StrCat("SIG", known)) return signal;
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
