#include "proto/search/lexis.h"

#include <algorithm>

namespace treadle::search {
namespace {

bool IsBare(std::string_view text, bool (*ends)(char)) {
  return !text.empty() && std::none_of(text.begin(), text.end(), ends);
}

}  // namespace

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool EndsText(char c) {
  return IsSpace(c) || std::string_view("\":~<>=*").find(c) != std::string_view::npos;
}
bool EndsValue(char c) {
  return IsSpace(c) || std::string_view("\",*").find(c) != std::string_view::npos;
}

bool IsBareText(std::string_view text) {
  // A hyphen in front negates.
  return IsBare(text, EndsText) && text.front() != '-';
}
bool IsBareHeader(std::string_view name) { return IsBare(name, EndsText); }
bool IsBareValue(std::string_view value) {
  // ">5" behind a colon is taken for a comparison that was meant.
  return IsBare(value, EndsValue) && value.front() != '<' && value.front() != '>' &&
         value.front() != '=';
}

std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace treadle::search
