#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "worker/pool/process/guard.h"

namespace treadle::worker {

struct ChildOptions {
  ChildOptions() = default;

  std::vector<std::string> argv;         // argv[0] is the program's path
  std::vector<std::string> environment;  // "NAME=value", and nothing else
  int64_t output_bytes_max = 0;          // of standard output; beyond it the child is killed
  int64_t error_bytes_max = 0;           // the last so many bytes of standard error are kept
  // Called with what it writes to standard error, as it comes, on the thread that runs it. While
  // this waits, nothing is read of the child, which waits too when its pipes are full. May be
  // empty.
  std::function<void(std::string_view)> on_error;
  // Between SIGTERM and SIGKILL, when the child is told to stop.
  std::chrono::milliseconds kill_after{2'000};
  // Ends the child's group when this process ends first. None: the child alone is ended then.
  Guard* guard = nullptr;
};

// How a child process ended.
struct ChildResult {
  int exit_status = 0;            // when no signal ended it; -1: the system did not say
  int signal = 0;                 // that ended it; 0: none
  std::string output;             // all of it, unless output_too_large
  std::string error;              // the end of it
  bool output_too_large = false;  // so it was killed
  bool stopped = false;           // it was told to stop before it ended
};

// Runs a program to its end: writes `input` to its standard input, reads its standard output and
// error, all at the same time, so that neither side waits for the other for ever. A program that
// does not read its input loses nothing but the input.
//
// The child leads a process group of its own, with default signals and no other open files. When it
// has ended, what is left of its group is killed, and the call returns when all of it is dead: so
// nothing outlives the call (but for a process that has left the group). When `stop` is requested
// the whole group gets SIGTERM, and SIGKILL `kill_after` later. Blocks its thread; thread-safe.
//
// An error means that the program was never started; it names the program and the reason.
// RESOURCE_EXHAUSTED: this process has no more descriptors, or the system no more processes or
// memory. Five descriptors are needed while the program runs, three more while it is started.
absl::StatusOr<ChildResult> RunChild(const ChildOptions& options, std::string_view input,
                                     const std::stop_token& stop);

}  // namespace treadle::worker
