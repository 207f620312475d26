#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/terminal.h"

namespace treadle::cli {

// A whole file; "-" is standard input. The error names the file and what is wrong with it.
absl::StatusOr<std::string> ReadContent(const std::string& path, Terminal& terminal);

}  // namespace treadle::cli
