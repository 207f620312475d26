#include "server/http/posts.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace treadle::http {
namespace {

constexpr char kLength[] = "Content-Length";
constexpr char kCoding[] = "Content-Encoding";

}  // namespace

absl::Status CheckBody(const httplib::Request& request, int64_t bytes_max) {
  int64_t bytes = 0;
  if (request.has_header("Transfer-Encoding") || request.get_header_value_count(kLength) != 1 ||
      !absl::SimpleAtoi(request.get_header_value(kLength), &bytes) || bytes < 0) {
    return absl::InvalidArgumentError(
        "how long the request is cannot be seen: send Content-Length, once, and no "
        "Transfer-Encoding");
  }
  if (bytes > bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the request has ", bytes, " bytes, more than the ", bytes_max,
                     " that are taken over HTTP: make it smaller, or send it over gRPC"));
  }
  const std::string coding = request.get_header_value(kCoding);
  if (request.has_header(kCoding) && !absl::EqualsIgnoreCase(coding, "identity")) {
    return absl::UnimplementedError(
        "the request is compressed: send it as it is (Content-Encoding: identity, or none)");
  }
  return absl::OkStatus();
}

int64_t BodyBytes(const httplib::Request& request) {
  int64_t bytes = 0;
  return absl::SimpleAtoi(request.get_header_value(kLength), &bytes) ? bytes : 0;
}

bool HasBody(const httplib::Request& request) {
  return request.has_header(kLength) || request.has_header("Transfer-Encoding");
}

}  // namespace treadle::http
