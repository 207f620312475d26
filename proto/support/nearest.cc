#include "proto/support/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace treadle {
namespace {

// Characters to insert, delete or replace.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view Nearest(std::string_view word, const std::vector<std::string_view>& names) {
  std::string_view nearest;
  size_t least = std::max<size_t>(1, word.size() / 4) + 1;
  for (const std::string_view name : names) {
    // What was begun is nearer than what is one character off.
    const size_t distance =
        word.size() > 2 && name.substr(0, word.size()) == word ? 1 : Distance(word, name);
    if (distance >= least) continue;
    least = distance;
    nearest = name;
  }
  return nearest;
}

}  // namespace treadle
