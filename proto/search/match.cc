#include "proto/search/match.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace treadle::search {
namespace {

bool ContainsIgnoringCase(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(), [](char a, char b) {
           return absl::ascii_tolower(static_cast<unsigned char>(a)) ==
                  absl::ascii_tolower(static_cast<unsigned char>(b));
         }) != text.end();
}

std::string_view HeaderOf(const Record& record, std::string_view name) {
  if (record.headers == nullptr) return {};
  for (const auto& [key, value] : *record.headers) {
    if (key == name) return value;
  }
  return {};
}

bool TextFits(std::string_view text, Operator op, const Value& value) {
  if (op == Operator::kContains) return ContainsIgnoringCase(text, value.text);
  if (!value.prefix) return text == value.text;
  // A star alone: there is something.
  return !text.empty() && text.substr(0, value.text.size()) == value.text;
}

bool NumberFits(int64_t number, Operator op, int64_t value) {
  switch (op) {
    case Operator::kEquals:
      return number == value;
    case Operator::kLess:
      return number < value;
    case Operator::kAtMost:
      return number <= value;
    case Operator::kMore:
      return number > value;
    case Operator::kAtLeast:
      return number >= value;
    case Operator::kContains:
      break;
  }
  return false;
}

bool Fits(const Condition& condition, const Value& value, const Record& record) {
  switch (condition.field) {
    case Field::kText:
      return TextFits(record.text(Field::kId), Operator::kContains, value) ||
             TextFits(record.text(Field::kType), Operator::kContains, value) ||
             TextFits(record.text(Field::kError), Operator::kContains, value);
    case Field::kHeader:
      return TextFits(HeaderOf(record, condition.header), condition.op, value);
    default:
      break;
  }
  switch (InfoOf(condition.field).kind) {
    case Kind::kText:
    case Kind::kChoice:
      return TextFits(record.text(condition.field), condition.op, value);
    case Kind::kNumber:
    case Kind::kSize:
    case Kind::kDuration:
      break;
  }
  const std::optional<int64_t> number = record.number(condition.field);
  return number.has_value() && NumberFits(*number, condition.op, value.number);
}

}  // namespace

bool Matches(const Filter& filter, const Record& record, FieldSet fields) {
  return std::all_of(
      filter.conditions.begin(), filter.conditions.end(), [&](const Condition& condition) {
        if ((fields & SetOf(condition.field)) == 0) return true;
        const bool holds =
            std::any_of(condition.values.begin(), condition.values.end(),
                        [&](const Value& value) { return Fits(condition, value, record); });
        return holds != condition.negated;
      });
}

}  // namespace treadle::search
