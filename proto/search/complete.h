#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/search/field.h"

namespace treadle::search {

// What may stand in the place of a filter's word that somebody has begun to write.
struct Suggestion {
  std::string word;  // whole, from its beginning
  std::string about;
};

struct Completion {
  // Fields with an operator behind them, or values that are known here.
  std::vector<Suggestion> suggestions;
  // The value of this field is being written, and the broker knows its values: names of queues,
  // types and workers.
  std::optional<Field> names_of;
  // Of the word, what stands before that value.
  std::string before;
};

// `word`: what is written of it, up to the cursor.
Completion Complete(std::string_view word);

}  // namespace treadle::search
