#include "client/cli/flags.h"

#include <CLI/CLI.hpp>

#include "proto/program/flags.h"

namespace treadle::cli {

CLI::Option* AddFlag(CLI::App& command, const std::string& flag, bool& value,
                     const std::string& help) {
  return program::AddSwitch(command, flag, value, help)->default_str("");
}

CLI::Option* AddBound(CLI::App& command, const std::string& flag, int64_t& value_ms, int64_t max_ms,
                      const std::string& help) {
  return program::AddDuration(command, flag, value_ms, 0, max_ms, help)->default_str("");
}

}  // namespace treadle::cli
