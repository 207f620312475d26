#include "worker/exec/exec_handler.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <unistd.h>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/codec.h"
#include "client/exec_task.h"
#include "client/task_error.h"
#include <sys/stat.h>

#include "worker/exec/child_process.h"
#include "worker/pool/signal_name.h"

namespace treadle::worker {
namespace {

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
  if (child.signal != 0) {
    return AttemptResult::Failed(
        "Signal", WithError(absl::StrCat("the program was ended by ", SignalName(child.signal)),
                            child.error));
  }
  if (child.exit_status != 0) {
    return AttemptResult::Failed(std::string(kExitStatusError),
                                 ExitStatusMessage(child.exit_status, child.error));
  }
  return AttemptResult::Succeeded(std::move(child.output), std::string(kBytesContentType));
}

AttemptResult Run(const ExecOptions& options, TaskContext& context, const std::string& input) {
  ChildOptions child;
  child.argv = {options.program};
  if (const auto header = context.headers().find(kExecArgumentsHeader);
      header != context.headers().end()) {
    absl::StatusOr<std::vector<std::string>> arguments = DecodeArguments(header->second);
    if (!arguments.ok()) {
      return AttemptResult::Failed("BadArguments", std::string(arguments.status().message()), true);
    }
    std::move(arguments->begin(), arguments->end(), std::back_inserter(child.argv));
  }
  child.environment = Environment(context);
  child.output_bytes_max = options.output_bytes_max;
  child.error_bytes_max = kErrorTailBytes;
  child.guard = options.guard.get();
  absl::StatusOr<ChildResult> result = RunChild(child, input, context.stop_token());
  if (!result.ok()) {
    return AttemptResult::Failed("ExecFailed", std::string(result.status().message()));
  }
  return ToResult(*std::move(result), options);
}

}  // namespace

absl::Status CheckAllowed(const std::vector<std::string>& allowed) {
  for (const std::string& path : allowed) {
    struct stat file;
    if (const absl::StatusOr<std::string> type = ExecType(path); !type.ok()) return type.status();
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
  return [options = std::move(options)](TaskContext& context, const std::string& payload) {
    return Run(options, context, payload);
  };
}

}  // namespace treadle::worker
