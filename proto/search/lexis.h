#pragma once

#include <string>
#include <string_view>

// What a filter's words are made of: for the parser, and for whoever writes one.

namespace treadle::search {

// Characters at which a text or a header's name, and a value, ends unless it is in quotes.
bool EndsText(char c);
bool EndsValue(char c);
bool IsSpace(char c);

// May stand without quotes: as a word of its own, as a header's name, as a value.
bool IsBareText(std::string_view text);
bool IsBareHeader(std::string_view name);
bool IsBareValue(std::string_view value);

// In double quotes; \" and \\ stand for themselves.
std::string Quote(std::string_view text);

}  // namespace treadle::search
