#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/search/filter.h"

namespace treadle::search {

// What a filter is asked about: a task's fields, as far as they are known.
struct Record {
  using Headers = std::vector<std::pair<std::string, std::string>>;

  // Of Kind::kText and kChoice. Empty: it has none.
  std::array<std::string_view, kFields> texts{};
  // Of the other kinds. Absent: it has none, and no comparison with it holds.
  std::array<std::optional<int64_t>, kFields> numbers{};
  const Headers* headers = nullptr;  // null: it has none

  std::string_view& text(Field field) { return texts[static_cast<size_t>(field)]; }
  std::string_view text(Field field) const { return texts[static_cast<size_t>(field)]; }
  std::optional<int64_t>& number(Field field) { return numbers[static_cast<size_t>(field)]; }
  std::optional<int64_t> number(Field field) const { return numbers[static_cast<size_t>(field)]; }
};

// Whether those of the filter's conditions hold that are about some of `fields`. Texts are compared
// byte for byte, but what is contained without regard to the case of A to Z.
//
// So a filter can be asked in steps, the cheap ones first: a record needs no more than the fields
// that it is asked about. Of Field::kText these are the id, the type and the error.
bool Matches(const Filter& filter, const Record& record, FieldSet fields = kAllFields);

}  // namespace treadle::search
