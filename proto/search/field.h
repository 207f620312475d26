#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace treadle::search {

// What a filter can ask of a task. Everything that knows the fields one by one (the parser,
// completion, the help text, the page server/search.md, the tests) goes by the table of FieldInfo.
enum class Field : uint8_t {
  kText,  // a word without a field: in the id, the type or the error's message
  kId,
  kQueue,
  kState,
  kType,
  kWorker,
  kPriority,
  kAttempts,
  kMaxAttempts,
  kAge,
  kDue,
  kRan,
  kFinished,
  kSize,
  kError,
  kErrorType,
  kKey,
  kCancelReason,
  kDead,
  kHeader,
};
inline constexpr size_t kFields = static_cast<size_t>(Field::kHeader) + 1;

// Some of them.
using FieldSet = uint32_t;
constexpr FieldSet SetOf(Field field) { return FieldSet{1} << static_cast<unsigned>(field); }
inline constexpr FieldSet kAllFields = (FieldSet{1} << kFields) - 1;

// What the values of a field are, which decides what may stand behind it.
enum class Kind : uint8_t {
  kText,      // : ~
  kChoice,    // :
  kNumber,    // : < <= > >=
  kSize,      // the same; "64KiB" (proto/support/units.h)
  kDuration,  // < <= > >=; "5m"
};

struct FieldInfo {
  Field field;
  std::string_view name;  // of kText: none; of kHeader: "header.", before the header's own name
  Kind kind;
  // It is not with the task itself, but is looked up in the store: see server/rpc/task_search.h.
  bool stored;
  std::string_view about;
  std::string_view example;  // a filter that has the field, and parses
};

// By their number.
const FieldInfo& InfoOf(Field field);
absl::Span<const FieldInfo> AllFields();
// Absent: there is no field of this name. Neither kText nor kHeader has one.
std::optional<Field> FieldNamed(std::string_view name);

// What a field of Kind::kChoice may be. Of the state: its names, and two that stand for several.
std::vector<std::string_view> ChoicesOf(Field field);
// The names that a choice stands for: itself, or several.
std::vector<std::string_view> Meaning(Field field, std::string_view choice);

}  // namespace treadle::search
