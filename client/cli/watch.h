#pragma once

#include <cstdint>
#include <functional>

#include "client/cli/context.h"

#include "proto/program/cli_fwd.h"

namespace treadle::cli {

// --watch and --interval.
struct WatchFlags {
  bool watch = false;
  int64_t interval_ms = 2'000;
};

void AddWatchFlags(CLI::App& command, WatchFlags& flags);

// Connects and calls `once`, which prints; with --watch again and again until Ctrl-C. On a terminal
// each round takes the place of the one before. When the broker is lost after a first round, that
// is said, and it goes on. Never opens a session.
ExitCode Look(Context& context, const WatchFlags& flags,
              const std::function<ExitCode(Client&)>& once);

}  // namespace treadle::cli
