#pragma once

#include <functional>
#include <string_view>

namespace treadle {

enum class LogLevel { kInfo, kWarning };

// Where a worker's lines go. Called from the thread that runs the worker; may be slow.
using Log = std::function<void(LogLevel level, std::string_view line)>;

}  // namespace treadle
