#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// What client and worker agree on about tasks that run a program: treadle/exec_task.h has it in
// words.

namespace treadle::exec {

inline constexpr std::string_view kTypePrefix = "exec:";
inline constexpr std::string_view kArgumentsHeader = "exec.args";

// The type of a program's tasks. INVALID_ARGUMENT: not an absolute path, or one that no type's name
// can hold (at most 250 bytes of UTF-8, no control characters).
absl::StatusOr<std::string> TypeOf(std::string_view program);

// The header's text. INVALID_ARGUMENT: text that is not UTF-8, or has a NUL, or is longer than a
// task's headers may be (limits::kHeadersBytesMax).
absl::StatusOr<std::string> EncodeArguments(const std::vector<std::string>& arguments);
// INVALID_ARGUMENT: not a JSON array of strings.
absl::StatusOr<std::vector<std::string>> DecodeArguments(std::string_view header);

// "exit status 2: <the tail of what it wrote to stderr>"; without stderr "exit status 2".
std::string ExitStatusMessage(int exit_status, std::string_view stderr_tail);

}  // namespace treadle::exec
