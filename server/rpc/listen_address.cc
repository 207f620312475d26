#include "server/rpc/listen_address.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include <sys/socket.h>

namespace treadle::rpc {
namespace {

absl::Status TryListen(const addrinfo& info) {
  const int fd = ::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "");
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  absl::Status status;
  if (::bind(fd, info.ai_addr, info.ai_addrlen) != 0 || ::listen(fd, 1) != 0) {
    status = absl::UnavailableError(std::strerror(errno));
  }
  ::close(fd);
  return status;
}

}  // namespace

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

absl::Status TryListen(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  absl::Status status;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    status = TryListen(*info);
    if (!status.ok()) return status;
  }
  return status;
}

}  // namespace treadle::rpc
