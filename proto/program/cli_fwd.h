#pragma once

// CLI11 by name. Whoever includes CLI/CLI.hpp compiles some seconds longer for it: only those do
// who look into these.

namespace CLI {
class App;
class Option;
}  // namespace CLI
