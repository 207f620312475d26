#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/executor.h"
#include "treadle/future.h"
#include "treadle/submit_options.h"

// Tasks that run a program, which a worker's operator allows by its path (treadle-worker
// --allow-exec). The program is part of the task's type, so a task goes to workers that allow its
// program and to no others, and waits while there are none. From other languages:
//
//   type       "exec:" and the program's absolute path: "exec:/usr/bin/wc"
//   arguments  header "exec.args": a JSON array of strings, without the program; absent: none
//   stdin      the payload
//   stdout     the result, "application/octet-stream"
//   failure    any exit status but 0: error type "ExitStatus", exit_code 2, its message "exit
//              status 2: <the tail of what it wrote to stderr>"; a signal: type "Signal", and its
//              number; stdout is the error's details, "application/octet-stream"

namespace treadle {

// Makes `options` those of a run of argv[0] with the rest as its arguments, and returns the task's
// type. INVALID_ARGUMENT: argv[0] is not an absolute path, or one that no type's name can hold (at
// most 250 bytes of UTF-8, no control characters); an argument is not UTF-8, or has a NUL, or all
// are longer than a task's headers may be (16 KiB).
absl::StatusOr<std::string> PutProgram(const std::vector<std::string>& argv,
                                       SubmitOptions& options);

// Submits a run of argv[0] with the rest as its arguments. `options` as for every submit, its
// headers extended by the arguments.
Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input, SubmitOptions options);
// With the executor's own options.
Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input);

}  // namespace treadle
