#pragma once

#include <functional>
#include <string_view>

namespace treadle {

enum class LogLevel { kInfo, kWarning };

// Where a worker's lines go. Called from the thread in Worker::Run, which sends the heartbeats too:
// must not block for seconds.
using Log = std::function<void(LogLevel level, std::string_view line)>;

}  // namespace treadle
