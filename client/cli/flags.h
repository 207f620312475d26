#pragma once

#include <cstdint>
#include <string>

#include "proto/program/cli_fwd.h"

// Flags as commands have them, beside those of proto/program/flags.h.

namespace treadle::cli {

// On when it is given.
CLI::Option* AddFlag(CLI::App& command, const std::string& flag, bool& value,
                     const std::string& help);
// A duration from 0 on, kept in milliseconds; 0, as without the flag: none.
CLI::Option* AddBound(CLI::App& command, const std::string& flag, int64_t& value_ms, int64_t max_ms,
                      const std::string& help);

}  // namespace treadle::cli
