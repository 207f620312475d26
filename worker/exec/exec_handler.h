#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

#include "proto/support/limits.h"
#include "treadle/log.h"
#include "worker/pool/handlers.h"
#include "worker/pool/process/guard.h"

namespace treadle {
class Worker;
}  // namespace treadle

namespace treadle::worker {

struct ExecOptions {
  ExecOptions() = default;

  std::string program;           // its absolute path
  std::shared_ptr<Guard> guard;  // of what programs start; may be none
  // How long a program waits for room when the system has no descriptors, processes or memory for
  // it; then the task is handed back.
  std::chrono::milliseconds room_wait{2'000};
  Log log;  // thread-safe; may be empty
  // Of a program's standard output; the broker's own bound on results holds too.
  int64_t output_bytes_max = limits::kPayloadBytesMax;
};

// INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED: a path is not one that exec::TypeOf takes, or not
// that of a program that this process may run; or there are more than a worker may serve.
absl::Status CheckAllowed(const std::vector<std::string>& allowed);

// Runs one program's tasks (proto/task/exec_task.h says how they travel), whatever their arguments.
// The program gets the worker's working directory, PATH, HOME, LANG and TZ, and besides these
// TREADLE_TASK_ID and TREADLE_ATTEMPT. Its failures:
//   "ExitStatus"      it ended with another status than 0; the message has that, and the end of
//                     what it wrote to standard error, the details its standard output
//   "Signal"          a signal ended it; message and details alike
//   "OutputTooLarge"  it wrote more than the bound, and was killed; permanent
//   "BadArguments"    the task's arguments cannot be read; permanent
//   "ExecFailed"      it could not be started, for another reason than a want of room
// What it writes to standard error goes to the task's output while it runs.
// When the task is to stop, the program and all its children get SIGTERM, and SIGKILL 2 s later.
Handler ExecHandler(ExecOptions options);

// What a worker for programs serves: each allowed one, with an ExecHandler as in `options`, and
// "echo", which returns its payload. REQUIRES: CheckAllowed(allowed) is OK.
void HandlePrograms(Worker& worker, const std::vector<std::string>& allowed,
                    const ExecOptions& options);

}  // namespace treadle::worker
