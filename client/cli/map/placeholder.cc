#include "client/cli/map/placeholder.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "client/cli/console/human.h"

#include "proto/support/text.h"

namespace treadle::cli {
namespace {

constexpr std::string_view kParts[] = {"", ".", "/", "//", "/."};

struct Place {
  size_t begin = 0;  // in its argument
  size_t end = 0;
  bool number = false;            // {#}
  std::optional<int32_t> source;  // from 1, or from -1 backwards; none: all of them
  std::string_view part;          // one of kParts
};

// The next place at `from` or behind it.
std::optional<Place> FindPlace(std::string_view text, size_t from) {
  for (size_t at; (at = text.find('{', from)) != std::string_view::npos; from = at + 1) {
    const size_t end = text.find('}', at);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view inside = text.substr(at + 1, end - at - 1);
    Place place{at, end + 1};
    if (inside == "#") {
      place.number = true;
      return place;
    }
    size_t digits = !inside.empty() && inside[0] == '-' ? 1 : 0;
    while (digits < inside.size() && absl::ascii_isdigit(static_cast<uint8_t>(inside[digits]))) {
      ++digits;
    }
    int32_t source = 0;
    if (digits > 0) {
      if (!absl::SimpleAtoi(Absl(inside.substr(0, digits)), &source) || source == 0) continue;
      place.source = source;
    }
    place.part = inside.substr(digits);
    if (std::find(std::begin(kParts), std::end(kParts), place.part) != std::end(kParts)) {
      return place;
    }
  }
  return std::nullopt;
}

std::string WithoutExtension(const std::string& value) {
  const size_t dot = value.rfind('.');
  const bool none = dot == std::string::npos || value.find('/', dot) != std::string::npos;
  return none ? value : value.substr(0, dot);
}

std::string Base(const std::string& value) { return value.substr(value.rfind('/') + 1); }

// As dirname has it.
std::string Folder(std::string value) {
  const auto strip = [&value] {
    while (value.size() > 1 && value.back() == '/') value.pop_back();
  };
  strip();
  const size_t slash = value.rfind('/');
  if (slash == std::string::npos) return ".";
  value.resize(std::max<size_t>(slash, 1));
  strip();
  return value;
}

std::string PartOf(const std::string& value, std::string_view part) {
  if (part == ".") return WithoutExtension(value);
  if (part == "/") return Base(value);
  if (part == "//") return Folder(value);
  if (part == "/.") return WithoutExtension(Base(value));
  return value;
}

// What stands for a place: several for one that is of all sources.
std::vector<std::string> Values(const Place& place, const Item& item) {
  if (place.number) return {std::to_string(item.number)};
  std::vector<std::string> values;
  if (!place.source) {
    for (const std::string& value : item.values) values.push_back(PartOf(value, place.part));
    return values;
  }
  const auto count = static_cast<int32_t>(item.values.size());
  const int32_t at = *place.source > 0 ? *place.source - 1 : count + *place.source;
  if (at < 0 || at >= count) return {""};
  return {PartOf(item.values[static_cast<size_t>(at)], place.part)};
}

void Append(const std::string& argument, const Item& item, std::vector<std::string>& filled) {
  std::string out;
  size_t from = 0;
  for (std::optional<Place> place; (place = FindPlace(argument, from)); from = place->end) {
    const std::vector<std::string> values = Values(*place, item);
    out.append(argument, from, place->begin - from);
    // Several become as many arguments; what stands around them goes with the first and the last.
    for (const std::string& value : values) {
      if (&value != &values.front()) filled.push_back(std::exchange(out, ""));
      out += value;
    }
  }
  filled.push_back(out.append(argument, from));
}

}  // namespace

CommandTemplate::CommandTemplate(std::vector<std::string> argv, bool append_item)
    : argv_(std::move(argv)) {
  const bool has_place = std::any_of(argv_.begin(), argv_.end(), [](const std::string& argument) {
    return FindPlace(argument, 0).has_value();
  });
  if (append_item && !has_place) argv_.emplace_back("{}");
}

std::vector<std::string> CommandTemplate::Fill(const Item& item) const {
  std::vector<std::string> filled;
  for (const std::string& argument : argv_) Append(argument, item, filled);
  return filled;
}

std::optional<std::string> CommandTemplate::Program() const {
  if (argv_.empty() || FindPlace(argv_.front(), 0)) return std::nullopt;
  return argv_.front();
}

std::string ShellLine(const std::vector<std::string>& words) {
  return absl::StrJoin(words, " ",
                       [](std::string* out, const std::string& word) { *out += ShellWord(word); });
}

}  // namespace treadle::cli
