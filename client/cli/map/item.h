#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace treadle::cli {

// One run of a map: a value from each source of items, or a piece of standard input.
struct Item {
  std::vector<std::string> values;
  std::string input;   // the program's standard input, where it is cut into pieces
  int64_t number = 0;  // from 1, in the items' order

  // For people: the values, and a space between them; of a piece its number.
  std::string Label() const;
};

}  // namespace treadle::cli
