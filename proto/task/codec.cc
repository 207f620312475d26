#include "treadle/codec.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message_lite.h"

#include "proto/support/text.h"

namespace treadle::internal {
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

absl::Status CheckArgumentCount(JsonValue array, size_t expected) {
  const absl::StatusOr<size_t> size = array.ArraySize();
  if (size.ok() && *size == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("expected a JSON array of ", expected, " arguments, got ",
                   size.ok() ? absl::StrCat("one of ", *size) : std::string(array.TypeName()),
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

}  // namespace treadle::internal
