#include "treadle/codec.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "proto/support/text.h"

namespace treadle::codec_internal {
namespace {

// A message's content type names its message: another one is refused.
bool SameType(std::string_view content_type, std::string_view expected) {
  if (content_type.empty() || content_type == expected) return true;
  if (expected.find(';') != std::string_view::npos) return false;
  return absl::StripTrailingAsciiWhitespace(Absl(content_type.substr(0, content_type.find(';')))) ==
         Absl(expected);
}

bool IsNegative(const nlohmann::json& integer) {
  return !integer.is_number_unsigned() && integer.get<int64_t>() < 0;
}

uint64_t Bits(const nlohmann::json& integer) {
  return integer.is_number_unsigned() ? integer.get<uint64_t>()
                                      : static_cast<uint64_t>(integer.get<int64_t>());
}

// nlohmann takes -1 and 2^64 - 1 for the same.
bool SameNumber(const nlohmann::json& given, const nlohmann::json& read) {
  if (given.is_number_float()) return given.get<double>() == read.get<double>();
  return IsNegative(given) == IsNegative(read) && Bits(given) == Bits(read);
}

// A from_json of someone's own may change numbers on purpose, round or clamp them: only what a cast
// to an integer type makes of a number that does not fit counts. Casts keep at least the lowest
// byte.
bool IsCut(const nlohmann::json& given, const nlohmann::json& read) {
  if (SameNumber(given, read)) return false;
  if (!given.is_number_float()) return ((Bits(given) ^ Bits(read)) & 0xff) == 0;
  constexpr double kInt32 = 2147483648.0;
  const auto number = given.get<double>();
  return std::trunc(number) == read.get<double>() || std::abs(number) >= kInt32;
}

// Those of `array` that `others` has not, as often as it has them.
std::vector<const nlohmann::json*> Without(const nlohmann::json& array,
                                           const nlohmann::json& others) {
  std::vector<const nlohmann::json*> left;
  std::multiset<std::string> rest;
  for (const nlohmann::json& each : others) rest.insert(each.dump());
  for (const nlohmann::json& each : array) {
    if (const auto found = rest.find(each.dump()); found != rest.end()) {
      rest.erase(found);
    } else {
      left.push_back(&each);
    }
  }
  return left;
}

const nlohmann::json* FindCut(const nlohmann::json& given, const nlohmann::json& read);

// Sets and maps may have another order, and sets fewer elements. What differs is in the order that
// both have in common.
const nlohmann::json* FindCutInArray(const nlohmann::json& given, const nlohmann::json& read) {
  const std::vector<const nlohmann::json*> missing = Without(given, read);
  const std::vector<const nlohmann::json*> added = Without(read, given);
  // A set leaves out as many as it was given twice: they are looked up, not searched for.
  std::set<std::string> there;
  if (missing.size() > added.size()) {
    for (const nlohmann::json& each : read) there.insert(each.dump());
  }
  for (size_t i = 0; i < missing.size(); ++i) {
    if (i < added.size()) {
      if (const nlohmann::json* const cut = FindCut(*missing[i], *added[i])) return cut;
      continue;
    }
    // It may have become equal to another.
    const auto became = [&](const nlohmann::json& each) {
      return FindCut(*missing[i], each) != nullptr;
    };
    const bool is_there = there.contains(missing[i]->dump());
    if (!is_there && std::any_of(read.begin(), read.end(), became)) return missing[i];
  }
  return nullptr;
}

// The number that was cut; null: none was.
const nlohmann::json* FindCut(const nlohmann::json& given, const nlohmann::json& read) {
  if (given.is_number() && read.is_number_integer()) return IsCut(given, read) ? &given : nullptr;
  if (given.is_array() && read.is_array()) return FindCutInArray(given, read);
  if (!given.is_object() || !read.is_object()) return nullptr;
  for (auto each = read.begin(); each != read.end(); ++each) {
    const auto found = given.find(each.key());
    if (found == given.end()) continue;
    if (const nlohmann::json* const cut = FindCut(*found, *each)) return cut;
  }
  return nullptr;
}

}  // namespace

absl::Status CheckContentType(std::string_view content_type, std::string_view expected) {
  if (SameType(content_type, expected)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("content_type is '", Absl(content_type),
                                                 "', expected '", Absl(expected),
                                                 "': use the same task type on both ends"));
}

absl::StatusOr<nlohmann::json> ParseJson(std::string_view bytes, std::string_view content_type) {
  absl::Status status = CheckContentType(content_type, kJsonContentType);
  if (!status.ok()) return status;
  try {
    return nlohmann::json::parse(bytes);
  } catch (const std::exception& error) {
    return DecodeFailed(error);
  }
}

absl::StatusOr<std::string> DumpJson(const nlohmann::json& json) {
  try {
    return json.dump();
  } catch (const std::exception& error) {
    return EncodeFailed(error);
  }
}

absl::Status EncodeFailed(const std::exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat("value cannot be encoded as JSON: ", error.what()));
}

absl::Status DecodeFailed(const std::exception& error) {
  return absl::InvalidArgumentError(
      absl::StrCat("bytes are not the JSON that the task type expects: ", error.what()));
}

absl::Status CheckArgumentCount(const nlohmann::json& array, size_t expected) {
  if (array.is_array() && array.size() == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "expected a JSON array of ", expected, " arguments, got ",
      array.is_array() ? absl::StrCat("one of ", array.size()) : std::string(array.type_name()),
      ": use the same task type on both ends"));
}

absl::Status CheckNoArguments(std::string_view bytes, std::string_view content_type) {
  if (bytes.empty()) return absl::OkStatus();
  // What programs in other languages send when they have nothing to say.
  if (SameType(content_type, kJsonContentType) && (bytes == "null" || bytes == "[]")) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("the task takes no arguments, got ", bytes.size(),
                                                 " bytes: use the same task type on both ends"));
}

absl::Status IntegerExpected(const nlohmann::json& json, bool in_range) {
  return absl::InvalidArgumentError(
      in_range ? absl::StrCat("expected a JSON integer, got ", json.type_name())
               : absl::StrCat("the JSON number ", json.dump(),
                              " does not fit the C++ type that the task type names"));
}

absl::Status CheckNothingCut(const nlohmann::json& given, const nlohmann::json& read) {
  if (given.dump() == read.dump()) return absl::OkStatus();
  const nlohmann::json* const cut = FindCut(given, read);
  return cut == nullptr ? absl::OkStatus() : IntegerExpected(*cut, false);
}

absl::StatusOr<std::string> EncodeMessage(const google::protobuf::MessageLite& message) {
  std::string bytes;
  if (!message.IsInitialized() || !message.SerializeToString(&bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("message ", message.GetTypeName(),
                     " cannot be encoded: a required field is missing, or it exceeds 2 GiB"));
  }
  return bytes;
}

std::string MessageContentType(const google::protobuf::MessageLite& message) {
  return absl::StrCat(Absl(kProtobufContentType), "; type=", message.GetTypeName());
}

absl::Status DecodeMessage(std::string_view bytes, std::string_view content_type,
                           google::protobuf::MessageLite& message) {
  // Senders in other languages may leave the message's name out.
  if (content_type != kProtobufContentType) {
    absl::Status status = CheckContentType(content_type, MessageContentType(message));
    if (!status.ok()) return status;
  }
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ", bytes.size(), " bytes are not a ", message.GetTypeName(), " message"));
  }
  return absl::OkStatus();
}

}  // namespace treadle::codec_internal
