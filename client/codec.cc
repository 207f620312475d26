#include "client/codec.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/text.h"

namespace treadle::codec_internal {
namespace {

// A message's content type names its message: another one is refused.
bool SameType(std::string_view content_type, std::string_view expected) {
  if (content_type.empty() || content_type == expected) return true;
  if (expected.find(';') != std::string_view::npos) return false;
  return absl::StripTrailingAsciiWhitespace(Absl(content_type.substr(0, content_type.find(';')))) ==
         Absl(expected);
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
               : absl::StrCat("the JSON integer ", json.dump(),
                              " does not fit the C++ type that the task type names"));
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
