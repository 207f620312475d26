#pragma once

#include "absl/status/status.h"

namespace treadle::cli {

// What a script learns from `$?`. In every command's help; values never change their meaning.
enum class ExitCode : int {
  kOk = 0,
  kTaskFailed = 1,    // a task ended without success: failed, cancelled or expired
  kUsage = 2,         // a wrong command line, or the broker calls a value invalid
  kNotFound = 3,      // no such task, queue or worker
  kUnreachable = 4,   // no broker answers
  kTimeout = 5,       // --timeout passed first; the task goes on
  kRefused = 6,       // the broker says no for now: a full queue, a name in use, a bound reached
  kOther = 7,         // a local file, standard output, or an error inside the broker
  kReaderGone = 141,  // who read standard output has enough of it, as after SIGPIPE; said to nobody
  kInterrupted = 130  // Ctrl-C; 128 + its number for another signal, as shells have it
};

// For errors of calls to the broker.
ExitCode ExitCodeFor(const absl::Status& status);

// The lines about exit codes that end the help.
extern const char kExitCodeHelp[];

}  // namespace treadle::cli
