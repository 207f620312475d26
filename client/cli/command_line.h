#pragma once

#include <string>
#include <vector>

#include "client/cli/console/interrupt.h"
#include "client/cli/console/terminal.h"

namespace treadle::cli {

// The whole command: `args` are the words after "treadle". Returns the process's exit code
// (exit_code.h).
int RunCommandLine(const std::vector<std::string>& args, Terminal& terminal, Interrupt& interrupt);

}  // namespace treadle::cli
