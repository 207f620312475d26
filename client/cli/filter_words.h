#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "proto/search/filter.h"

// Filters of tasks (server/search.md) as arguments of a command line.

namespace treadle::cli {

// Arguments that are a filter's words, or several words each. INVALID_ARGUMENT: they are none.
absl::StatusOr<search::Filter> ParseFilter(const std::vector<std::string>& words);

// Every field with an example, for the help of commands that take a filter.
std::string FilterHelp();

// "-worker:w7" is a filter's word, and looks like an option. Behind "list", a space before it makes
// it an argument, and is nothing to the filter.
void SetNegationsApart(std::vector<std::string>& args);

}  // namespace treadle::cli
