#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// How an `exec` task travels, for those who submit one and for the worker that runs it:
//   type     "exec"
//   payload  the program's standard input
//   headers  "exec-argv": a JSON array of strings, the program first: ["/usr/bin/wc", "-w"]
//   result   the program's standard output, "application/octet-stream"
// A program that ends with another status than 0 fails its attempt with error type "ExitStatus".
// Any language can submit one: headers={"exec-argv": json.dumps(["/usr/bin/wc", "-w"])}.

namespace treadle {

inline constexpr std::string_view kExecTaskType = "exec";
inline constexpr std::string_view kExecArgvHeader = "exec-argv";

// The header's value. INVALID_ARGUMENT: no program, or text that is not UTF-8 (headers are text).
absl::StatusOr<std::string> FormatExecArgv(const std::vector<std::string>& argv);
// Its inverse. INVALID_ARGUMENT: not a JSON array of at least one string, an empty program, or a
// NUL byte.
absl::StatusOr<std::vector<std::string>> ParseExecArgv(std::string_view header);

}  // namespace treadle
