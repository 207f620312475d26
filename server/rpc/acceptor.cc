#include "server/rpc/acceptor.h"

#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "proto/support/assert.h"
#include "proto/support/thread_name.h"

namespace treadle::rpc {
namespace {

// The kernel cuts it to net.core.somaxconn.
constexpr int kBacklog = 4'096;
constexpr int64_t kWordMs = 5'000;
constexpr int kPauseMs = 100;
constexpr int kAcceptedAtOnce = 64;

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

Acceptor::Acceptor(Connections& connections, const Clock& clock)
    : connections_(connections), clock_(clock) {}

Acceptor::~Acceptor() { Stop(); }

absl::Status Acceptor::Listen(Address& address) {
  TREADLE_ASSERT(listeners_.empty());
  const auto cannot = [&address](absl::string_view reason) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address.ToString(), ": ", reason,
                     "; choose another address with --listen, or stop what holds it"));
  };
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &found);
  if (error != 0) return cannot(::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  absl::Status absent;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    const int fd = ListenOn(*info, address.port);
    if (fd >= 0) {
      listeners_.push_back(fd);
      if (address.port == 0) address.port = PortOf(fd);
      continue;
    }
    absent = cannot(std::strerror(-fd));
    // A name's IPv6 address where the host has no IPv6, say: the others are enough.
    if (fd != -EADDRNOTAVAIL && fd != -EAFNOSUPPORT) return absent;
  }
  return listeners_.empty() ? absent : absl::OkStatus();
}

void Acceptor::Start(Sink sink) {
  TREADLE_ASSERT(!listeners_.empty() && !thread_.joinable());
  sink_ = std::move(sink);
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC);
  TREADLE_ASSERT(wake_fd_ >= 0);
  thread_ = std::thread([this] { Run(); });
}

void Acceptor::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    TREADLE_ASSERT(::write(wake_fd_, &one, sizeof(one)) == sizeof(one));
    thread_.join();
    ::close(wake_fd_);
  }
  for (const int fd : std::exchange(listeners_, {})) ::close(fd);
}

void Acceptor::Run() {
  NameThread("accept");
  std::vector<pollfd> polled{{.fd = wake_fd_, .events = POLLIN, .revents = 0}};
  for (const int fd : listeners_) polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  while (true) {
    if (paused_) {
      // Those who wait do so in the backlog; the listeners would only say so again and again.
      ::poll(polled.data(), 1, kPauseMs);
    } else {
      ::poll(polled.data(), polled.size(), -1);
    }
    if (polled[0].revents != 0) return;
    paused_ = false;
    for (size_t i = 1; i < polled.size() && !paused_; ++i) AcceptSome(polled[i].fd);
  }
}

void Acceptor::AcceptSome(int listener) {
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    sockaddr_storage peer{};
    socklen_t length = sizeof(peer);
    const int fd = ::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &length,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      const absl::Status taken = connections_.Add(fd, peer, clock_.NowMs());
      if (taken.ok()) {
        Take(fd);
      } else {
        Refuse(fd, taken);
      }
      continue;
    }
    if (errno == EAGAIN) return;
    // These are about the one connection, which has ended before it began.
    if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) return Pause(errno);
  }
}

void Acceptor::Take(int fd) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.fd = fd;
  sink_->HandleNewConnection(&connection);
}

void Acceptor::Refuse(int fd, const absl::Status& why) {
  ::close(fd);
  ++refused_;
  const int64_t now_ms = clock_.NowMs();
  if (now_ms < next_word_ms_) return;
  next_word_ms_ = now_ms + kWordMs;
  spdlog::warn("{} connections refused: {}", std::exchange(refused_, 0),
               std::string(why.message()));
}

void Acceptor::Pause(int error) {
  paused_ = true;
  const bool some_gave_way = connections_.BreakIdle();
  const int64_t now_ms = clock_.NowMs();
  if (now_ms < next_word_ms_) return;
  next_word_ms_ = now_ms + kWordMs;
  spdlog::warn(
      "cannot accept a connection: {}; {}: raise the limit on open files (ulimit -n), or "
      "lower --connections-max",
      std::strerror(error), some_gave_way ? "some that were idle were broken off" : "it waits");
}

}  // namespace treadle::rpc
