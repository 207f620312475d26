#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/codec.h"
#include "client/executor.h"
#include "client/future.h"
#include "client/submit_options.h"

// Tasks that run a program, which a worker's operator allows by its path (treadle-worker
// --allow-exec). The program is part of the task's type, so a task goes to workers that allow its
// program and to no others, and waits while there are none.
//
//   type       "exec:" and the program's absolute path: "exec:/usr/bin/wc"
//   arguments  header "exec.args": a JSON array of strings, without the program; absent: none
//   stdin      the payload
//   stdout     the result, "application/octet-stream"
//   failure    any exit status but 0: error type "ExitStatus", its message as ExitStatusMessage

namespace treadle {

inline constexpr std::string_view kExecTypePrefix = "exec:";
inline constexpr std::string_view kExecArgumentsHeader = "exec.args";

// The type of a program's tasks. INVALID_ARGUMENT: not an absolute path, or one that no type's name
// can hold (at most 250 bytes of UTF-8, no control characters).
absl::StatusOr<std::string> ExecType(std::string_view program);

// The header's text. INVALID_ARGUMENT: text that is not UTF-8, or has a NUL, or is longer than a
// task's headers may be (limits::kHeadersBytesMax).
absl::StatusOr<std::string> EncodeArguments(const std::vector<std::string>& arguments);
// INVALID_ARGUMENT: not a JSON array of strings.
absl::StatusOr<std::vector<std::string>> DecodeArguments(std::string_view header);

// Makes `options` those of a run of argv[0] with the rest as its arguments, and returns the task's
// type. Errors as above.
absl::StatusOr<std::string> PutProgram(const std::vector<std::string>& argv,
                                       SubmitOptions& options);

// "exit status 2: <the tail of what it wrote to stderr>"; without stderr "exit status 2".
std::string ExitStatusMessage(int exit_status, std::string_view stderr_tail);

// Submits a run of argv[0] with the rest as its arguments. `options` as for every submit, its
// headers extended by the arguments.
Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input, SubmitOptions options);
// With the executor's own options.
Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input);

}  // namespace treadle
