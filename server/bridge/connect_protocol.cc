#include "server/bridge/connect_protocol.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <google/protobuf/wrappers.pb.h>

namespace treadle::bridge {
namespace {

namespace util = google::protobuf::util;

constexpr char kContentType[] = "application/json";
constexpr char kTimeout[] = "Connect-Timeout-Ms";
constexpr char kVersion[] = "Connect-Protocol-Version";
constexpr size_t kTimeoutDigitsMax = 10;
constexpr int kUnsupportedMediaType = 415;
constexpr char kTypes[] = "type.treadle";

struct Code {
  const char* name;
  int http_status;
};
// By gRPC's code.
constexpr std::array<Code, 17> kCodes = {{{"", 200},
                                          {"canceled", 499},
                                          {"unknown", 500},
                                          {"invalid_argument", 400},
                                          {"deadline_exceeded", 504},
                                          {"not_found", 404},
                                          {"already_exists", 409},
                                          {"permission_denied", 403},
                                          {"resource_exhausted", 429},
                                          {"failed_precondition", 400},
                                          {"aborted", 409},
                                          {"out_of_range", 400},
                                          {"unimplemented", 501},
                                          {"internal", 500},
                                          {"unavailable", 503},
                                          {"data_loss", 500},
                                          {"unauthenticated", 401}}};

const Code& CodeOf(const absl::Status& status) {
  const auto number = static_cast<size_t>(status.raw_code());
  return kCodes[number < kCodes.size() ? number : static_cast<size_t>(absl::StatusCode::kUnknown)];
}

util::TypeResolver& Resolver() {
  static util::TypeResolver* const resolver = util::NewTypeResolverForDescriptorPool(
      kTypes, google::protobuf::DescriptorPool::generated_pool());
  return *resolver;
}

std::string UrlOf(const google::protobuf::Descriptor& type) {
  return absl::StrCat(kTypes, "/", type.full_name());
}

void WriteRefusal(int http_status, const absl::Status& error, httplib::Response& response) {
  google::protobuf::StringValue message;
  message.set_value(std::string(error.message()));
  std::string quoted;
  (void)util::MessageToJsonString(message, &quoted);
  std::string json =
      absl::StrCat(R"({"code":")", CodeOf(error).name, R"(","message":)", quoted, "}");
  WriteJson(http_status, std::move(json), response);
}

}  // namespace

absl::StatusOr<int64_t> TimeoutMs(const httplib::Request& request) {
  if (!request.has_header(kTimeout)) return kTimeoutMs;
  const std::string text = request.get_header_value(kTimeout);
  int64_t timeout_ms = 0;
  if (text.size() > kTimeoutDigitsMax || !absl::SimpleAtoi(text, &timeout_ms) || timeout_ms <= 0) {
    return absl::InvalidArgumentError(
        "Connect-Timeout-Ms is not a whole number of milliseconds from 1 on, of 10 digits at most");
  }
  return std::min(timeout_ms, kTimeoutMsMax);
}

absl::Status CheckVersion(const httplib::Request& request) {
  if (!request.has_header(kVersion) || request.get_header_value(kVersion) == "1") {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("Connect-Protocol-Version is not 1: send 1, or leave it out");
}

bool IsJson(const httplib::Request& request) {
  const std::string type = request.get_header_value("Content-Type");
  const absl::string_view essence =
      absl::StripAsciiWhitespace(absl::string_view(type).substr(0, type.find(';')));
  return absl::EqualsIgnoreCase(essence, kContentType);
}

absl::StatusOr<std::string> FromJson(const google::protobuf::Descriptor& type,
                                     const std::string& json) {
  if (absl::StripAsciiWhitespace(json).empty()) {
    return absl::InvalidArgumentError(
        "the body is empty: send {} for a request that has nothing in it");
  }
  std::string bytes;
  const util::Status read = util::JsonToBinaryString(&Resolver(), UrlOf(type), json, &bytes);
  if (!read.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body is not the JSON of a ", type.full_name(), ": ",
                     absl::string_view(read.message().data(), read.message().size())));
  }
  return bytes;
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Descriptor& type,
                                   const std::string& bytes) {
  std::string json;
  const util::Status written = util::BinaryToJsonString(&Resolver(), UrlOf(type), bytes, &json);
  if (!written.ok()) {
    return absl::InternalError(
        absl::StrCat("the answer cannot be written as JSON: ",
                     absl::string_view(written.message().data(), written.message().size())));
  }
  return json;
}

void WriteJson(int http_status, std::string json, httplib::Response& response) {
  response.status = http_status;
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Cache-Control", "no-store");
  const auto kept = std::make_shared<const std::string>(std::move(json));
  // Content that is not a string httplib does not compress.
  response.set_content_provider(kept->size(), kContentType,
                                [kept](size_t offset, size_t length, httplib::DataSink& sink) {
                                  return sink.write(kept->data() + offset, length);
                                });
}

void WriteError(const absl::Status& error, httplib::Response& response) {
  WriteRefusal(CodeOf(error).http_status, error, response);
}

void WriteNotJson(httplib::Response& response) {
  response.set_header("Accept-Post", kContentType);
  WriteRefusal(kUnsupportedMediaType,
               absl::InvalidArgumentError("the body is not said to be JSON: send Content-Type: "
                                          "application/json (curl: -H 'Content-Type: "
                                          "application/json')"),
               response);
}

}  // namespace treadle::bridge
