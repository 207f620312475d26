#pragma once

#include <string>
#include <vector>

#include "proto/program/cli_fwd.h"

namespace treadle::cli {

// Gives a command a positional PROGRAM [ARGUMENTS...], which CLI11 only shows: everything from the
// first word that is no option, or after "--", is the program's, dashes included.
// `arguments`: how the help calls these.
void TakesProgram(CLI::App& command, const std::string& help,
                  const std::string& arguments = "[ARGUMENTS...]");

struct SplitLine {
  std::vector<std::string> options;  // for CLI11
  std::vector<std::string> program;
};

// Splits what follows "treadle" on the command line. Of a command that takes no program, all is
// options.
SplitLine SplitAtProgram(CLI::App& root, const std::vector<std::string>& args);

}  // namespace treadle::cli
