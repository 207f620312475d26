#include "proto/support/listen.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "proto/support/text.h"

namespace treadle {
namespace {

// The kernel cuts it to net.core.somaxconn.
constexpr int kBacklog = 4'096;

// The kernel asks a silent connection's other host after so long, as often, and gives it up.
constexpr int kHostIdleS = 10;
constexpr int kHostAskS = 3;
constexpr int kHostAsks = 3;

void Set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof(value));
}

// With `port` in the place of the address's own. Returns a descriptor, or -errno.
int ListenOn(const addrinfo& info, int port) {
  sockaddr_storage address{};
  std::memcpy(&address, info.ai_addr, info.ai_addrlen);
  if (info.ai_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(static_cast<uint16_t>(port));
  } else {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(static_cast<uint16_t>(port));
  }
  const int fd = ::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  // Connections inherit these.
  Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, kHostIdleS);
  Set(fd, IPPROTO_TCP, TCP_KEEPINTVL, kHostAskS);
  Set(fd, IPPROTO_TCP, TCP_KEEPCNT, kHostAsks);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), info.ai_addrlen) == 0 &&
      ::listen(fd, kBacklog) == 0) {
    return fd;
  }
  const int error = errno;
  ::close(fd);
  return -error;
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

absl::StatusOr<std::vector<int>> Listen(Address& address, std::string_view flag) {
  const auto cannot = [&](absl::string_view reason) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address.ToString(), ": ",
                                               reason, "; choose another address with ", Absl(flag),
                                               ", or stop what holds it"));
  };
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (error != 0) return cannot(::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  std::vector<int> listeners;
  absl::Status absent;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    const int fd = ListenOn(*info, address.port);
    if (fd >= 0) {
      listeners.push_back(fd);
      if (address.port == 0) address.port = PortOf(fd);
      continue;
    }
    absent = cannot(std::strerror(-fd));
    // A name's IPv6 address where the host has no IPv6, say: the others are enough.
    if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT) continue;
    for (const int listener : listeners) ::close(listener);
    return absent;
  }
  if (listeners.empty()) return absent;
  return listeners;
}

}  // namespace treadle
