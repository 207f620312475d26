#pragma once

#include <string>
#include <vector>

#include "client/cli/context.h"

#include "proto/program/cli_fwd.h"

namespace treadle::cli {

// What may stand in the place of the last of `words`, the words behind "treadle", from the
// commands' own description; names of queues, workers, tasks and contexts are asked for, for a
// moment only. A line each: the word, and behind a tab what it is. ":files" on a line: a file's
// name.
ExitCode Complete(Context& context, CLI::App& root, const std::vector<std::string>& words);

}  // namespace treadle::cli
