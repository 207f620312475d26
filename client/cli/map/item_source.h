#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/console/terminal.h"
#include "client/cli/map/item.h"

namespace treadle::cli {

// The items of a map, one after the other, numbered from 1. One thread.
struct ItemSource {
  // The next one; none: that was the last. An error: there may be more that cannot be read.
  std::function<absl::StatusOr<std::optional<Item>>()> next;
  // How many there are, where that is known before they are read.
  std::optional<int64_t> count;
};

// One source of values, and whether each of its values goes with one of the source before it, or
// with all of them.
struct ValueList {
  std::vector<std::string> values;
  bool linked = false;
};

// Every combination, the last source's values changing fastest, as nested loops have them. Linked
// sources are as long as their shortest. INVALID_ARGUMENT: more than can be counted.
absl::StatusOr<ItemSource> ItemsOf(std::vector<ValueList> lists);
// What lies between delimiters, empty ones included, each the only value of its item. `input`
// outlives the source, unless owned by it. `name`: for errors, a path or "-".
ItemSource ItemsFrom(std::istream& input, char delimiter, std::string name);
// From a file; "-" is standard input.
absl::StatusOr<ItemSource> ItemsFromFile(const std::string& path, char delimiter,
                                         Terminal& terminal);
// All values of a file, at most kListedValuesMax.
absl::StatusOr<std::vector<std::string>> ValuesFromFile(const std::string& path, char delimiter,
                                                        Terminal& terminal);
inline constexpr size_t kListedValuesMax = 10'000'000;

// Pieces of `input` that end where a line does: each has `lines` lines, or, when that is 0, as many
// as come before `block_bytes` are full, one at least. The last line may have no end.
struct PieceSize {
  int64_t lines = 0;
  int64_t block_bytes = int64_t{1} << 20;
};
ItemSource PiecesOf(std::istream& input, PieceSize size);

// The same items with each of their values cut at each `separator` into several, all in one list,
// without the white space around these.
ItemSource Split(ItemSource source, std::string separator);
// The same items, read to the end before the first is given, so that they can be counted.
absl::StatusOr<ItemSource> Counted(ItemSource source);

}  // namespace treadle::cli
