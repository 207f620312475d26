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

// `exec` tasks: a program that a worker runs, from the list that its operator allows.
//
//   type      "exec"
//   argv      header "exec.argv": a JSON array of strings, the program first
//   stdin     the payload
//   stdout    the result, "application/octet-stream"
//   failure   any exit status but 0: error type "ExitStatus", its message as ExitStatusMessage

namespace treadle {

inline constexpr std::string_view kExecTaskType = "exec";
inline constexpr std::string_view kExecArgvHeader = "exec.argv";

// INVALID_ARGUMENT: no program, or text that is not UTF-8 (it travels in a header).
absl::StatusOr<std::string> EncodeArgv(const std::vector<std::string>& argv);
// INVALID_ARGUMENT: not a JSON array of strings with a program first.
absl::StatusOr<std::vector<std::string>> DecodeArgv(std::string_view header);

// "exit status 2: <the tail of what it wrote to stderr>"; without stderr "exit status 2".
std::string ExitStatusMessage(int exit_status, std::string_view stderr_tail);

// Submits a run of argv[0] with the rest as its arguments. `options` as for every submit, its
// headers extended by the argv.
Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input, SubmitOptions options);
// With the executor's own options.
Future<Bytes> SubmitExec(const Executor& executor, const std::vector<std::string>& argv,
                         std::string standard_input);

}  // namespace treadle
