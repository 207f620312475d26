#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/cli/map/item.h"

namespace treadle::cli {

// Where an item's output is kept, below `root`, as GNU parallel has it: "1/VALUE/2/VALUE" with a
// folder for each source and value. In a value / is "\_", \ is "\\", tab, newline and NUL are "\t",
// "\n" and "\0", and an empty one is "\z"; a long one is cut, with its number and its length.
std::string FolderOf(const std::string& root, const Item& item);

// Writes "stdout", "stderr" and "seq" into the item's folder, which it makes.
absl::Status KeepResult(const std::string& root, const Item& item, const std::string& out,
                        const std::string& err);

}  // namespace treadle::cli
