#include "proto/search/filter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "proto/search/lexis.h"
#include "proto/support/text.h"
#include "proto/support/units.h"

namespace treadle::search {
namespace {

std::string Spell(Kind kind, const Value& value) {
  switch (kind) {
    case Kind::kNumber:
      return absl::StrCat(value.number);
    case Kind::kSize:
      return FormatSizeBytes(value.number);
    case Kind::kDuration:
      return FormatDurationMs(value.number);
    case Kind::kText:
    case Kind::kChoice:
      break;
  }
  // A prefix of nothing is the star alone.
  if (value.prefix && value.text.empty()) return "*";
  std::string text = IsBareValue(value.text) ? value.text : Quote(value.text);
  if (value.prefix) text += '*';
  return text;
}

std::string Spell(const Condition& condition) {
  const FieldInfo& info = InfoOf(condition.field);
  std::string word = condition.negated ? "-" : "";
  if (condition.field == Field::kText) {
    const std::string& text = condition.values.front().text;
    return word + (IsBareText(text) ? text : Quote(text));
  }
  absl::StrAppend(&word, Absl(info.name));
  if (condition.field == Field::kHeader) {
    word += IsBareHeader(condition.header) ? condition.header : Quote(condition.header);
  }
  absl::StrAppend(&word, Absl(Sign(condition.op)));
  const char* comma = "";
  for (const Value& value : condition.values) {
    absl::StrAppend(&word, comma, Spell(info.kind, value));
    comma = ",";
  }
  return word;
}

}  // namespace

std::string_view Sign(Operator op) {
  switch (op) {
    case Operator::kEquals:
      return ":";
    case Operator::kContains:
      return "~";
    case Operator::kLess:
      return "<";
    case Operator::kAtMost:
      return "<=";
    case Operator::kMore:
      return ">";
    case Operator::kAtLeast:
      return ">=";
  }
  return "";
}

FieldSet Filter::fields() const {
  FieldSet fields = 0;
  for (const Condition& condition : conditions) fields |= SetOf(condition.field);
  return fields;
}

bool Filter::names_states() const {
  return (fields() & (SetOf(Field::kState) | SetOf(Field::kId) | SetOf(Field::kFinished) |
                      SetOf(Field::kDead))) != 0;
}

std::optional<std::vector<std::string>> Filter::Ids() const {
  for (const Condition& condition : conditions) {
    const bool whole = condition.field == Field::kId && !condition.negated &&
                       condition.op == Operator::kEquals &&
                       std::none_of(condition.values.begin(), condition.values.end(),
                                    [](const Value& value) { return value.prefix; });
    if (!whole) continue;
    std::vector<std::string> ids;
    for (const Value& value : condition.values) ids.push_back(value.text);
    return ids;
  }
  return std::nullopt;
}

std::string Filter::ToString() const {
  std::string text;
  const auto add = [&text](std::string_view word) {
    absl::StrAppend(&text, text.empty() ? "" : " ", Absl(word));
  };
  for (const Condition& condition : conditions) add(Spell(condition));
  if (order == Order::kOldestFirst) add("sort:age");
  if (order == Order::kNewestFirst) add("sort:-age");
  return text;
}

}  // namespace treadle::search
