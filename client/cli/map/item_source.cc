#include "client/cli/map/item_source.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "client/cli/file_content.h"

#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

using Next = absl::StatusOr<std::optional<Item>>;

constexpr int64_t kCombinationsMax = int64_t{1} << 40;

// Sources that go hand in hand.
struct Group {
  std::vector<std::vector<std::string>> sources;
  size_t size = 0;
};

std::vector<Group> Grouped(std::vector<ValueList> lists) {
  std::vector<Group> groups;
  for (ValueList& list : lists) {
    const size_t size = list.values.size();
    if (!list.linked || groups.empty()) groups.push_back({{}, size});
    groups.back().size = std::min(groups.back().size, size);
    groups.back().sources.push_back(std::move(list.values));
  }
  return groups;
}

absl::Status BlockTooLong() {
  return absl::InvalidArgumentError(
      absl::StrCat("a block of standard input has more than ", limits::kPayloadBytesMaxCeiling,
                   " bytes: no task holds so much; give shorter lines, or a smaller -N"));
}

}  // namespace

std::string Item::Label() const {
  return values.empty() ? absl::StrCat("block ", number) : absl::StrJoin(values, " ");
}

absl::StatusOr<ItemSource> ItemsOf(std::vector<ValueList> lists) {
  std::vector<Group> groups = Grouped(std::move(lists));
  int64_t count = groups.empty() ? 0 : 1;
  for (const Group& group : groups) {
    const auto size = static_cast<int64_t>(group.size);
    if (size > 0 && count > kCombinationsMax / size) {
      return absl::InvalidArgumentError(
          absl::StrCat("the sources have more than ", kCombinationsMax,
                       " combinations: give fewer values, or link sources with :::+"));
    }
    count *= size;
  }
  return ItemSource{[groups = std::move(groups), at = int64_t{0}, count]() mutable -> Next {
                      if (at == count) return std::nullopt;
                      int64_t rest = at++;
                      std::vector<size_t> places(groups.size());
                      for (size_t i = groups.size(); i-- > 0;) {
                        const auto size = static_cast<int64_t>(groups[i].size);
                        places[i] = static_cast<size_t>(rest % size);
                        rest /= size;
                      }
                      Item item;
                      item.number = at;
                      for (size_t i = 0; i < groups.size(); ++i) {
                        for (const auto& source : groups[i].sources) {
                          item.values.push_back(source[places[i]]);
                        }
                      }
                      return item;
                    },
                    count};
}

ItemSource ItemsFrom(std::istream& input, char delimiter, std::string name) {
  return {[&input, delimiter, name = std::move(name), number = int64_t{0}]() mutable -> Next {
            absl::StatusOr<std::optional<std::string>> value = ReadItem(input, delimiter, name);
            if (!value.ok()) return value.status();
            if (!value->has_value()) return std::nullopt;
            Item item;
            item.values.push_back(**std::move(value));
            item.number = ++number;
            return item;
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

absl::StatusOr<std::vector<std::string>> ValuesFromFile(const std::string& path, char delimiter,
                                                        Terminal& terminal) {
  absl::StatusOr<ItemSource> source = ItemsFromFile(path, delimiter, terminal);
  if (!source.ok()) return source.status();
  std::vector<std::string> values;
  while (true) {
    Next item = source->next();
    if (!item.ok()) return item.status();
    if (!item->has_value()) return values;
    if (values.size() == kListedValuesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", path, "' has more than ", kListedValuesMax,
                       " values: give it alone, on standard input, where they are not kept"));
    }
    values.push_back(std::move((*item)->values.front()));
  }
}

ItemSource PiecesOf(std::istream& input, PieceSize size) {
  return {[&input, size, number = int64_t{0}]() mutable -> Next {
            Item item;
            const auto room = static_cast<size_t>(size.block_bytes);
            for (int64_t lines = 0; size.lines > 0 ? lines < size.lines : item.input.size() < room;
                 ++lines) {
              const absl::StatusOr<ReadStop> stop = AppendItem(input, '\n', "-", item.input);
              if (!stop.ok()) return stop.status();
              if (*stop == ReadStop::kFull) return BlockTooLong();
              if (*stop == ReadStop::kEnd) break;
              if (item.input.size() == kItemBytesMax) return BlockTooLong();
              item.input += '\n';
            }
            if (item.input.empty()) return std::nullopt;
            item.number = ++number;
            return item;
          },
          std::nullopt};
}

ItemSource Split(ItemSource source, std::string separator) {
  return {[next = std::move(source.next), separator = std::move(separator)]() -> Next {
            Next item = next();
            if (!item.ok() || !item->has_value()) return item;
            std::vector<std::string> columns;
            for (const std::string& value : (*item)->values) {
              for (const absl::string_view column : absl::StrSplit(value, separator)) {
                columns.emplace_back(absl::StripAsciiWhitespace(column));
              }
            }
            (*item)->values = std::move(columns);
            return item;
          },
          source.count};
}

absl::StatusOr<ItemSource> Counted(ItemSource source) {
  if (source.count.has_value()) return source;
  auto items = std::make_shared<std::vector<Item>>();
  while (true) {
    Next item = source.next();
    if (!item.ok()) return item.status();
    if (!item->has_value()) break;
    if (items->size() == kListedValuesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("there are more than ", kListedValuesMax, " items: leave out --eta"));
    }
    items->push_back(**std::move(item));
  }
  return ItemSource{[items, at = size_t{0}]() mutable -> Next {
                      if (at == items->size()) return std::nullopt;
                      return std::move((*items)[at++]);
                    },
                    static_cast<int64_t>(items->size())};
}

}  // namespace treadle::cli
