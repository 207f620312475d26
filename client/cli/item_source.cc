#include "client/cli/item_source.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "client/cli/human.h"
#include <fmt/format.h>

namespace treadle::cli {

ItemSource ItemsOf(std::vector<std::string> items) {
  const size_t count = items.size();
  return {[items = std::move(items), at = size_t{0}]() mutable -> std::optional<std::string> {
            if (at == items.size()) return std::nullopt;
            return std::move(items[at++]);
          },
          count};
}

ItemSource ItemsFrom(std::istream& input, char delimiter) {
  return {[&input, delimiter]() -> std::optional<std::string> {
            for (std::string item; std::getline(input, item, delimiter);) {
              if (!item.empty()) return item;
            }
            return std::nullopt;
          },
          std::nullopt};
}

absl::StatusOr<ItemSource> ItemsFromFile(const std::string& path, char delimiter,
                                         Terminal& terminal) {
  if (path == "-") return ItemsFrom(terminal.in, delimiter);
  auto file = std::make_shared<std::ifstream>(path, std::ios::binary);
  if (!file->is_open()) {
    return absl::UnknownError(
        fmt::format("cannot read '{}': {}", Printable(path), std::strerror(errno)));
  }
  ItemSource source = ItemsFrom(*file, delimiter);
  return ItemSource{[file, next = std::move(source.next)] { return next(); }, std::nullopt};
}

}  // namespace treadle::cli
