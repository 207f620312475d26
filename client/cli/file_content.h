#pragma once

#include <fstream>
#include <istream>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/console/terminal.h"

#include "proto/support/limits.h"

// Reading files and standard input. What cannot be read is an error that names it, and so is what
// is longer than a payload of any broker: it is refused where it gets too long, and not read on.

namespace treadle::cli {

// A whole file; "-" is standard input.
absl::StatusOr<std::string> ReadContent(const std::string& path, Terminal& terminal);

absl::Status OpenFile(const std::string& path, std::ifstream& file);

// Of an item, and of what it is appended to.
inline constexpr auto kItemBytesMax = static_cast<size_t>(limits::kPayloadBytesMaxCeiling);

enum class ReadStop {
  kDelimiter,  // which is not appended
  kEnd,        // nothing may have come before it
  kFull,       // `text` has kItemBytesMax, and more would have come
};
// Appends to `text` what comes before the next delimiter, or before the end.
absl::StatusOr<ReadStop> AppendItem(std::istream& input, char delimiter, std::string_view name,
                                    std::string& text);

// What comes before the next delimiter, or before the end; none: there is no more. `name`: for
// errors, a path or "-".
absl::StatusOr<std::optional<std::string>> ReadItem(std::istream& input, char delimiter,
                                                    std::string_view name);

}  // namespace treadle::cli
