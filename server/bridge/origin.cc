#include "server/bridge/origin.h"

#include <cstddef>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "proto/support/utf8.h"

namespace treadle::bridge {
namespace {

constexpr size_t kHostBytesShown = 100;

// "127.0.0.1:7734", "[::1]:7734", "localhost": without the port.
std::string WithoutPort(const std::string& host) {
  const size_t colon = host.rfind(':');
  const size_t bracket = host.rfind(']');
  const bool has_port =
      colon != std::string::npos && (bracket == std::string::npos || bracket < colon);
  return has_port ? host.substr(0, colon) : host;
}

// "http://127.0.0.1:7734" without the scheme; a proxy's may be https.
std::string WithoutScheme(const std::string& origin) {
  const size_t slashes = origin.find("://");
  return slashes == std::string::npos ? "" : origin.substr(slashes + 3);
}

}  // namespace

bool IsLoopback(const std::string& host) {
  return absl::EqualsIgnoreCase(host, "localhost") || host == "::1" || host == "[::1]" ||
         (absl::StartsWith(host, "127.") &&
          host.find_first_not_of("0123456789.") == std::string::npos);
}

absl::Status CheckOrigin(const httplib::Request& request, bool is_loopback) {
  const std::string host = request.get_header_value("Host");
  if (is_loopback && !IsLoopback(WithoutPort(host))) {
    return absl::PermissionDeniedError(absl::StrCat(
        "this port listens on loopback, and is not called '", CutMiddle(host, kHostBytesShown),
        "' (the Host header): ask for localhost or 127.0.0.1; a proxy before it sets "
        "Host to that"));
  }
  const std::string site = request.get_header_value("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin" && site != "none") {
    return absl::PermissionDeniedError(
        "a page of another site may not call the broker (Sec-Fetch-Site): open the broker's own");
  }
  const std::string origin = request.get_header_value("Origin");
  if (!origin.empty() && !absl::EqualsIgnoreCase(WithoutScheme(origin), host)) {
    return absl::PermissionDeniedError(
        absl::StrCat("a page of '", CutMiddle(origin, kHostBytesShown),
                     "' may not call the broker (Origin is not what Host says): open the broker's "
                     "own"));
  }
  return absl::OkStatus();
}

}  // namespace treadle::bridge
