#include "treadle/internal/json.h"

#include <cmath>
#include <exception>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "proto/support/text.h"
#include "treadle/codec.h"

namespace treadle::internal {
namespace {

using Nlohmann = nlohmann::json;

const Nlohmann& Of(const JsonValue& value) { return *static_cast<const Nlohmann*>(value.get()); }

absl::Status Expected(std::string_view what, const Nlohmann& json) {
  return absl::InvalidArgumentError(
      absl::StrCat("bytes are not the JSON that the task type expects: expected ", Absl(what),
                   ", got ", json.type_name()));
}

absl::Status DoesNotFit(const Nlohmann& json) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the JSON number ", json.dump(), " does not fit the C++ type that the task type names"));
}

// Whether casting it to Integer changes nothing.
template <typename Integer>
bool IsWhole(double number) {
  // Both bounds are powers of two, so exact.
  constexpr double kMin = static_cast<double>(std::numeric_limits<Integer>::min());
  constexpr double kEnd =
      2.0 * static_cast<double>(Integer{1} << (std::numeric_limits<Integer>::digits - 1));
  return number >= kMin && number < kEnd && std::trunc(number) == number;
}

}  // namespace

void JsonWriter::Int(int64_t value) { absl::StrAppend(&Begin(), value); }

void JsonWriter::Uint(uint64_t value) { absl::StrAppend(&Begin(), value); }

void JsonWriter::Double(double value) { Begin() += Nlohmann(value).dump(); }

void JsonWriter::String(std::string_view value) {
  try {
    Begin() += Nlohmann(value).dump();
  } catch (const std::exception& error) {
    Fail(absl::InvalidArgumentError(
        absl::StrCat("value cannot be encoded as JSON: ", error.what())));
  }
}

void JsonWriter::Key(std::string_view key) {
  String(key);
  text_ += ':';
  wants_comma_ = false;
}

absl::StatusOr<std::string> JsonWriter::Finish() && {
  if (!status_.ok()) return std::move(status_);
  return std::move(text_);
}

std::string_view JsonValue::TypeName() const { return Of(*this).type_name(); }

bool JsonValue::IsNull() const { return Of(*this).is_null(); }

absl::StatusOr<bool> JsonValue::Bool() const {
  const Nlohmann& json = Of(*this);
  if (!json.is_boolean()) return Expected("true or false", json);
  return json.get<bool>();
}

absl::StatusOr<int64_t> JsonValue::Int(int64_t min, int64_t max) const {
  const Nlohmann& json = Of(*this);
  if (!json.is_number()) return Expected("an integer", json);
  int64_t value = 0;
  if (json.is_number_unsigned()) {
    if (json.get<uint64_t>() > static_cast<uint64_t>(max)) return DoesNotFit(json);
    value = static_cast<int64_t>(json.get<uint64_t>());
  } else if (json.is_number_integer()) {
    value = json.get<int64_t>();
  } else {
    const auto number = json.get<double>();
    if (!IsWhole<int64_t>(number)) return DoesNotFit(json);
    value = static_cast<int64_t>(number);
  }
  if (value < min || value > max) return DoesNotFit(json);
  return value;
}

absl::StatusOr<uint64_t> JsonValue::Uint(uint64_t max) const {
  const Nlohmann& json = Of(*this);
  if (!json.is_number()) return Expected("an integer", json);
  uint64_t value = 0;
  if (json.is_number_unsigned()) {
    value = json.get<uint64_t>();
  } else if (json.is_number_integer()) {
    if (json.get<int64_t>() < 0) return DoesNotFit(json);
    value = static_cast<uint64_t>(json.get<int64_t>());
  } else {
    const auto number = json.get<double>();
    if (!IsWhole<uint64_t>(number)) return DoesNotFit(json);
    value = static_cast<uint64_t>(number);
  }
  if (value > max) return DoesNotFit(json);
  return value;
}

absl::StatusOr<double> JsonValue::Double() const {
  const Nlohmann& json = Of(*this);
  if (!json.is_number()) return Expected("a number", json);
  return json.get<double>();
}

absl::StatusOr<std::string> JsonValue::String() const {
  const Nlohmann& json = Of(*this);
  if (!json.is_string()) return Expected("a string", json);
  return json.get<std::string>();
}

absl::StatusOr<size_t> JsonValue::ArraySize() const {
  const Nlohmann& json = Of(*this);
  if (!json.is_array()) return Expected("an array", json);
  return json.size();
}

absl::Status JsonValue::CheckArray(size_t size) const {
  const Nlohmann& json = Of(*this);
  if (json.is_array() && json.size() == size) return absl::OkStatus();
  return Expected(absl::StrCat("an array of ", size), json);
}

JsonValue JsonValue::Element(size_t index) const { return JsonValue(&Of(*this)[index]); }

absl::Status JsonValue::VisitMembers(Visitor visitor, void* context) const {
  const Nlohmann& json = Of(*this);
  if (!json.is_object()) return Expected("an object", json);
  for (auto each = json.begin(); each != json.end(); ++each) {
    const absl::Status status = visitor(context, each.key(), JsonValue(&*each));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<JsonDocument> JsonDocument::Parse(std::string_view bytes,
                                                 std::string_view content_type) {
  absl::Status status = CheckContentType(content_type, kJsonContentType);
  if (!status.ok()) return status;
  auto document = std::make_unique<Nlohmann>();
  try {
    *document = Nlohmann::parse(bytes);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("bytes are not the JSON that the task type expects: ", error.what()));
  }
  return JsonDocument(document.release());
}

void JsonDocument::Delete::operator()(void* document) const {
  delete static_cast<Nlohmann*>(document);
}

}  // namespace treadle::internal
