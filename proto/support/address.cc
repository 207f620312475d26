#include "proto/support/address.h"

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/text.h"

namespace treadle {
namespace {

constexpr int kPortMax = 65'535;
constexpr size_t kTextBytesMax = 300;  // a name has 253 at most (RFC 1035)

absl::Status Mistake(std::string_view text, std::string_view what, std::string_view instead) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", Absl(text), "' ", Absl(what), "; write ", Absl(instead)));
}

bool IsDigits(std::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
  }
  return !text.empty();
}

bool IsHostCharacter(char c, bool in_brackets) {
  if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_') {
    return true;
  }
  return in_brackets && (c == ':' || c == '%');  // %eth0: which interface
}

// What stands before and after the last colon, brackets still on.
struct Halves {
  std::string_view host;
  std::string_view port;
  bool has_port = false;
};

Halves Split(std::string_view text) {
  const size_t colon = text.rfind(':');
  const size_t bracket = text.rfind(']');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket)) {
    return {text, {}, false};
  }
  return {text.substr(0, colon), text.substr(colon + 1), true};
}

// With the usual port.
std::string Example(std::string_view host) {
  constexpr std::string_view kDefault = limits::kDefaultAddress;
  return absl::StrCat(Absl(host), Absl(kDefault.substr(kDefault.rfind(':'))));
}

}  // namespace

std::string Address::ToString() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return ipv6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

absl::StatusOr<Address> ParseAddress(std::string_view text, int port_min) {
  const std::string usual = absl::StrCat("HOST:PORT, like ", limits::kDefaultAddress);
  if (text.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("the address is empty; write ", usual));
  }
  if (text.size() > kTextBytesMax) {
    return Mistake(absl::StrCat(Absl(text.substr(0, 40)), "..."), "is too long for an address",
                   usual);
  }
  if (text.find("//") != std::string_view::npos) {
    return Mistake(text, "is a URL and not an address", absl::StrCat(usual, ", without http://"));
  }
  const Halves halves = Split(text);
  std::string_view host = halves.host;
  const bool in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (in_brackets) host = host.substr(1, host.size() - 2);
  if (!in_brackets && host.find(':') != std::string_view::npos) {
    return Mistake(text, "has more than one colon",
                   "an IPv6 address in brackets, like " + Example("[::1]"));
  }
  if (!halves.has_port) {
    if (IsDigits(text)) {
      return Mistake(text, "has no host", absl::StrCat("HOST:", Absl(text)));
    }
    return Mistake(text, "has no port", Example(text));
  }
  if (host.empty()) return Mistake(text, "has no host before its port", usual);
  for (const char c : host) {
    if (!IsHostCharacter(c, in_brackets)) {
      return Mistake(text, "has a character that no host name has", usual);
    }
  }
  int port = -1;
  const bool is_number =
      IsDigits(halves.port) && absl::SimpleAtoi(Absl(halves.port), &port) && port <= kPortMax;
  if (!is_number || port < port_min) {
    return absl::InvalidArgumentError(absl::StrCat("'", Absl(text), "' has no port from ", port_min,
                                                   " to ", kPortMax, " after its last colon"));
  }
  return Address{std::string(host), port};
}

absl::StatusOr<Address> BrokerAddress(std::string_view given) {
  if (!given.empty()) return ParseAddress(given);
  const char* const set = std::getenv("TREADLE_BROKER");
  if (set == nullptr) return ParseAddress(limits::kDefaultAddress);
  absl::StatusOr<Address> address = ParseAddress(set);
  if (address.ok()) return address;
  return absl::InvalidArgumentError(absl::StrCat("TREADLE_BROKER: ", address.status().message()));
}

}  // namespace treadle
