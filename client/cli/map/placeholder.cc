#include "client/cli/map/placeholder.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace treadle::cli {
namespace {

constexpr std::string_view kPlace = "{}";

std::string Replace(const std::string& argument, const std::string& item) {
  std::string out;
  size_t from = 0;
  for (size_t at; (at = argument.find(kPlace, from)) != std::string::npos;) {
    out.append(argument, from, at - from);
    out += item;
    from = at + kPlace.size();
  }
  return out.append(argument, from);
}

}  // namespace

CommandTemplate::CommandTemplate(std::vector<std::string> argv, bool append_item)
    : argv_(std::move(argv)) {
  bool has_place = std::any_of(argv_.begin(), argv_.end(), [](const std::string& argument) {
    return argument.find(kPlace) != std::string::npos;
  });
  if (append_item && !has_place) argv_.emplace_back(kPlace);
}

std::vector<std::string> CommandTemplate::Fill(const std::string& item) const {
  std::vector<std::string> filled;
  for (const std::string& argument : argv_) filled.push_back(Replace(argument, item));
  return filled;
}

}  // namespace treadle::cli
