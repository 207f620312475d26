#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "proto/search/field.h"

// Filters of tasks, as people write them:
//
//   queue:mail state:failed type:resize age>5m error~"timed out" header.tenant:acme -worker:w7
//
// Words are separated by spaces, and all of them must hold; a `-` before one negates it. A word is
// a field with an operator and a value, or a text to look for. The page server/search.md has the
// whole grammar, field.h the fields.

namespace treadle::search {

// What a filter may have at most.
inline constexpr size_t kFilterBytesMax = 4'096;
inline constexpr size_t kWordsMax = 64;
inline constexpr size_t kValuesMax = 100;  // of one word, separated by commas

enum class Operator : uint8_t { kEquals, kContains, kLess, kAtMost, kMore, kAtLeast };
// ":", "~", "<", "<=", ">", ">=".
std::string_view Sign(Operator op);

struct Value {
  std::string text;     // of texts and choices
  bool prefix = false;  // a text that begins so; of an empty one: any that is there
  int64_t number = 0;   // of numbers; bytes, or milliseconds

  bool operator==(const Value&) const = default;
};

// One word. It holds when one of its values does, or, negated, when none does.
struct Condition {
  Field field = Field::kText;
  std::string header;  // of Field::kHeader: its name
  bool negated = false;
  Operator op = Operator::kContains;
  std::vector<Value> values;  // at least one

  bool operator==(const Condition&) const = default;
};

enum class Order : uint8_t {
  kAny,          // no word about it
  kOldestFirst,  // sort:age
  kNewestFirst,  // sort:-age
};

struct Filter {
  std::vector<Condition> conditions;  // all of them hold
  Order order = Order::kAny;

  bool empty() const { return conditions.empty() && order == Order::kAny; }
  // Of the conditions.
  FieldSet fields() const;
  // It has a word (state, id, finished, dead) that says whether it means tasks that have ended;
  // otherwise whoever asks says so, and means unfinished ones unless told.
  bool names_states() const;
  // The ids that a task must have one of, when the filter names them whole; absent: it does not.
  std::optional<std::vector<std::string>> Ids() const;
  // As Parse reads it again: the same filter. Equal filters give equal texts.
  std::string ToString() const;

  bool operator==(const Filter&) const = default;
};

// An empty text is the empty filter. INVALID_ARGUMENT: "character 11: ...", what is wrong there,
// what was expected, and what may have been meant.
absl::StatusOr<Filter> Parse(std::string_view text);

}  // namespace treadle::search
