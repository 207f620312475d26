#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/console/terminal.h"

namespace treadle::cli {

// The items of a map, one after the other. One thread.
struct ItemSource {
  // The next one; none: that was the last. An error: there may be more that cannot be read.
  std::function<absl::StatusOr<std::optional<std::string>>()> next;
  // How many there are, where that is known before they are read.
  std::optional<size_t> count;
};

ItemSource ItemsOf(std::vector<std::string> items);
// What lies between delimiters; empty ones are passed over. `input` outlives the source, unless
// owned by it. `name`: for errors, a path or "-".
ItemSource ItemsFrom(std::istream& input, char delimiter, std::string name);
// From a file; "-" is standard input.
absl::StatusOr<ItemSource> ItemsFromFile(const std::string& path, char delimiter,
                                         Terminal& terminal);

}  // namespace treadle::cli
