#include "client/cli/map/item_source.h"

#include <fstream>
#include <utility>

#include "client/cli/file_content.h"

namespace treadle::cli {

using Item = absl::StatusOr<std::optional<std::string>>;

ItemSource ItemsOf(std::vector<std::string> items) {
  const size_t count = items.size();
  return {[items = std::move(items), at = size_t{0}]() mutable -> Item {
            if (at == items.size()) return std::nullopt;
            return std::move(items[at++]);
          },
          count};
}

ItemSource ItemsFrom(std::istream& input, char delimiter, std::string name) {
  return {[&input, delimiter, name = std::move(name)]() -> Item {
            while (true) {
              Item item = ReadItem(input, delimiter, name);
              if (!item.ok() || !item->has_value() || !(*item)->empty()) return item;
            }
          },
          std::nullopt};
}

absl::StatusOr<ItemSource> ItemsFromFile(const std::string& path, char delimiter,
                                         Terminal& terminal) {
  if (path == "-") return ItemsFrom(terminal.in, delimiter, path);
  auto file = std::make_shared<std::ifstream>();
  if (absl::Status status = OpenFile(path, *file); !status.ok()) return status;
  ItemSource source = ItemsFrom(*file, delimiter, path);
  return ItemSource{[file, next = std::move(source.next)] { return next(); }, std::nullopt};
}

}  // namespace treadle::cli
