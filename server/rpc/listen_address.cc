#include "server/rpc/listen_address.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace treadle::rpc {
std::string ListenAddress::ToString() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return ipv6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text) {
  ListenAddress address;
  const size_t colon = text.rfind(':');
  if (colon != std::string::npos && absl::SimpleAtoi(text.substr(colon + 1), &address.port) &&
      address.port >= 0 && address.port <= 65'535) {
    address.host = text.substr(0, colon);
    const bool bracketed =
        address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']';
    if (bracketed) address.host = address.host.substr(1, address.host.size() - 2);
    if (!address.host.empty() && (bracketed || address.host.find(':') == std::string::npos)) {
      return address;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--listen: '", text,
                   "' is not an address; write HOST:PORT, like 127.0.0.1:7733, or "
                   "[::]:7733 for every interface"));
}

}  // namespace treadle::rpc
