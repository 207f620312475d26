#pragma once

#include <string>

#include "client/cli/commands/submit_flags.h"
#include "client/cli/context.h"

namespace treadle::cli {

// Submits the tasks of a file ("-": standard input), a line each (batch_line.h), and prints their
// ids in the lines' order, as they are accepted. What is under way is bounded, whatever the file's
// length. The first line that is wrong or refused ends it: the error names the line, and those
// behind it that were under way still tell their ids.
ExitCode SubmitBatch(Context& context, const SubmitFlags& flags, const std::string& path);

}  // namespace treadle::cli
