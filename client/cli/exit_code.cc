#include "client/cli/exit_code.h"

namespace treadle::cli {

ExitCode ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kUsage;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:  // sent, but the answer was not heard
      return ExitCode::kUnreachable;
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kTimeout;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kRefused;
    case absl::StatusCode::kCancelled:
      return ExitCode::kInterrupted;
    default:
      return ExitCode::kOther;
  }
}

const char kExitCodeHelp[] =
    "Exit codes:\n"
    "  0    done; for tasks: all succeeded\n"
    "  1    a task failed, was cancelled, or expired\n"
    "  2    the command line is wrong, or a value is invalid\n"
    "  3    no such task, queue or worker\n"
    "  4    no broker answers\n"
    "  5    the time to wait is over; the task goes on\n"
    "  6    the broker refuses for now: a full queue, a name in use, a bound reached\n"
    "  7    another error: a local file, say\n"
    "  130  interrupted by Ctrl-C; 143 by SIGTERM\n"
    "  141  who read the output has gone (| head)\n";

}  // namespace treadle::cli
