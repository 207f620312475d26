#pragma once

#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace treadle::program {

struct LogOptions {
  std::string level = "info";   // trace, debug, info, warn, error, off
  std::string format = "text";  // text, json
};

// Adds --log-level and --log-format.
void AddLogFlags(CLI::App& app, LogOptions& options);

// Sends spdlog's default logger to stderr from a thread of its own, so that a slow reader of stderr
// never holds up who logs: when 8,192 lines wait, the oldest are dropped. Lives as long as the
// object; its end writes what waits. One for a process, made in main() after StopSignals.
class Logging {
 public:
  explicit Logging(const LogOptions& options);
  ~Logging();
  Logging(const Logging&) = delete;
  Logging& operator=(const Logging&) = delete;
};

// `text` as the inside of a JSON string: quotes, backslashes and control characters escaped, bytes
// that are not UTF-8 replaced by U+FFFD.
std::string JsonEscape(std::string_view text);

}  // namespace treadle::program
