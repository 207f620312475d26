#include "worker/exec/exec_handler.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <unistd.h>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include <sys/resource.h>
#include <sys/stat.h>

#include "proto/support/trace_context.h"
#include "proto/task/exec_task.h"
#include "treadle/codec.h"
#include "treadle/task_error.h"
#include "treadle/worker.h"
#include "worker/exec/child_process.h"
#include "worker/pool/process/signal_name.h"

namespace treadle::worker {
namespace {

// A worker tells the broker of so many types, one of which is echo.
constexpr size_t kProgramsMax = limits::kPoolTypesMax - 1;
constexpr std::chrono::milliseconds kLookForRoomEvery{50};
constexpr std::chrono::seconds kTellWhyEvery{10};
constexpr int64_t kErrorTailBytes = 16 * limits::kKiB;
constexpr const char* kKeptVariables[] = {"PATH", "HOME", "LANG", "TZ"};

std::vector<std::string> Environment(const TaskContext& context) {
  std::vector<std::string> environment;
  for (const char* const name : kKeptVariables) {
    if (const char* const value = std::getenv(name)) {
      environment.push_back(absl::StrCat(name, "=", value));
    }
  }
  environment.push_back(absl::StrCat("TREADLE_TASK_ID=", context.task_id()));
  environment.push_back(absl::StrCat("TREADLE_ATTEMPT=", context.attempt()));
  if (const std::string parent = context.traceparent(); !parent.empty()) {
    environment.push_back(absl::StrCat("TRACEPARENT=", parent));
    const auto state = context.headers().find(kTraceState);
    if (state != context.headers().end()) {
      environment.push_back(absl::StrCat("TRACESTATE=", state->second));
    }
  }
  return environment;
}

std::string WithError(std::string message, const std::string& error) {
  if (!error.empty()) absl::StrAppend(&message, ": ", error);
  return message;
}

AttemptResult ToResult(ChildResult child, const ExecOptions& options) {
  if (child.stopped) return AttemptResult::Stopped();
  if (child.output_too_large) {
    return AttemptResult::Failed(
        "OutputTooLarge",
        WithError(absl::StrCat("the program wrote more than ", options.output_bytes_max,
                               " bytes to standard output, and was killed: let it write less, or "
                               "raise the worker's --exec-output-max"),
                  child.error),
        true);
  }
  if (child.signal == 0 && child.exit_status == 0) {
    return AttemptResult::Succeeded(std::move(child.output), std::string(kBytesContentType));
  }
  AttemptResult failure;
  if (child.signal != 0) {
    failure = AttemptResult::Failed(
        std::string(kSignalError),
        WithError(absl::StrCat("the program was ended by ", SignalName(child.signal)),
                  child.error));
    failure.signal = child.signal;
  } else {
    failure = AttemptResult::Failed(std::string(kExitStatusError),
                                    exec::ExitStatusMessage(child.exit_status, child.error));
    failure.exit_code = child.exit_status;
  }
  if (!child.output.empty()) {
    failure.bytes = std::move(child.output);
    failure.content_type = std::string(kBytesContentType);
  }
  return failure;
}

absl::StatusOr<ChildResult> RunWhenThereIsRoom(const ChildOptions& child, const std::string& input,
                                               const TaskContext& context,
                                               std::chrono::milliseconds wait_max) {
  const auto until = std::chrono::steady_clock::now() + wait_max;
  while (true) {
    absl::StatusOr<ChildResult> result = RunChild(child, input, context.stop_token());
    if (!absl::IsResourceExhausted(result.status()) || std::chrono::steady_clock::now() >= until ||
        !context.SleepFor(kLookForRoomEvery)) {
      return result;
    }
  }
}

// Why tasks are handed back, from time to time. Thread-safe.
class Complaints {
 public:
  void Tell(const Log& log, const std::string& task_id, const std::string& why) {
    {
      std::lock_guard lock(mutex_);
      const auto now = std::chrono::steady_clock::now();
      if (!log || now < next_at_) return;
      next_at_ = now + kTellWhyEvery;
    }
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    log(LogLevel::kWarning,
        absl::StrCat("task ", task_id, " is handed back: ", why, ": lower --concurrency, or raise ",
                     "the limits (", limit.rlim_cur,
                     " descriptors now: ulimit -n, systemd's LimitNOFILE)"));
  }

 private:
  std::mutex mutex_;
  std::chrono::steady_clock::time_point next_at_{};
};

AttemptResult Run(const ExecOptions& options, Complaints& complaints, TaskContext& context,
                  const std::string& input) {
  ChildOptions child;
  child.argv = {options.program};
  if (const auto header = context.headers().find(exec::kArgumentsHeader);
      header != context.headers().end()) {
    absl::StatusOr<std::vector<std::string>> arguments = exec::DecodeArguments(header->second);
    if (!arguments.ok()) {
      return AttemptResult::Failed("BadArguments", std::string(arguments.status().message()), true);
    }
    std::move(arguments->begin(), arguments->end(), std::back_inserter(child.argv));
  }
  child.environment = Environment(context);
  child.output_bytes_max = options.output_bytes_max;
  child.error_bytes_max = kErrorTailBytes;
  child.on_error = [&context](std::string_view bytes) { context.LogStandardError(bytes); };
  child.guard = options.guard.get();
  absl::StatusOr<ChildResult> result = RunWhenThereIsRoom(child, input, context, options.room_wait);
  if (result.ok()) return ToResult(*std::move(result), options);
  const std::string why(result.status().message());
  // No fault of the task's: this worker has too little of something.
  if (absl::IsResourceExhausted(result.status())) {
    complaints.Tell(options.log, context.task_id(), why);
    return AttemptResult::Released();
  }
  // Arguments that are too long for the system stay so.
  return AttemptResult::Failed("ExecFailed", why, absl::IsInvalidArgument(result.status()));
}

}  // namespace

absl::Status CheckAllowed(const std::vector<std::string>& allowed) {
  if (allowed.size() > kProgramsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(allowed.size(), " programs, and a worker may have ", kProgramsMax,
                     ": divide them between several workers"));
  }
  for (const std::string& path : allowed) {
    struct stat file;
    if (const absl::StatusOr<std::string> type = exec::TypeOf(path); !type.ok())
      return type.status();
    if (::stat(path.c_str(), &file) != 0) {
      return absl::NotFoundError(absl::StrCat("program '", path, "': ", std::strerror(errno)));
    }
    if (!S_ISREG(file.st_mode) || ::access(path.c_str(), X_OK) != 0) {
      return absl::PermissionDeniedError(
          absl::StrCat("program '", path, "' is not a file that this user may execute"));
    }
  }
  return absl::OkStatus();
}

Handler ExecHandler(ExecOptions options) {
  return [options = std::move(options), complaints = std::make_shared<Complaints>()](
             TaskContext& context, const std::string& payload) {
    return Run(options, *complaints, context, payload);
  };
}

void HandlePrograms(Worker& worker, const std::vector<std::string>& allowed,
                    const ExecOptions& options) {
  worker.HandleRaw("echo", [](TaskContext&, Payload payload) { return payload; });
  for (const std::string& path : allowed) {
    ExecOptions exec = options;
    exec.program = path;
    worker.HandleRaw(*exec::TypeOf(path),
                     [run = ExecHandler(std::move(exec))](TaskContext& context, Bytes input) {
                       return run(context, std::move(input.data));
                     });
  }
}

}  // namespace treadle::worker
