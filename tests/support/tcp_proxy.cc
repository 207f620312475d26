#include "tests/support/tcp_proxy.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <poll.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "proto/support/assert.h"

namespace treadle::test {
namespace {

constexpr int kLookMs = 10;  // how soon a freeze, a cut or the end is noticed
constexpr int kSocketBytes = 64 << 10;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Passes on what is there, up to a bound, which becomes less by it. False: the connection is over.
bool Pass(int from, int to, int64_t& bytes_max) {
  std::array<char, 65'536> bytes;
  const size_t room = std::min<size_t>(bytes.size(), static_cast<size_t>(bytes_max));
  const ssize_t count = ::recv(from, bytes.data(), room, MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN;
  if (count == 0) return false;
  bytes_max -= count;
  for (ssize_t sent = 0; sent < count;) {
    const ssize_t n = ::send(to, bytes.data() + sent, count - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += n;
  }
  return true;
}

// What may pass one way.
class Allowance {
 public:
  // Grows with the time, to no more than a tenth of a second's share at once.
  void Grow(int64_t bytes_per_second, std::chrono::steady_clock::time_point now) {
    if (bytes_per_second == INT64_MAX) {
      bytes = INT64_MAX;
    } else {
      const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(now - at_);
      const int64_t share = std::max<int64_t>(1, bytes_per_second / 10);
      const int64_t more =
          std::min<int64_t>(passed.count(), 1'000'000) * bytes_per_second / 1'000'000;
      if (more == 0) return;
      bytes = std::min(share, (bytes > share ? 0 : bytes) + more);
    }
    at_ = now;
  }
  int64_t bytes = 0;

 private:
  std::chrono::steady_clock::time_point at_ = std::chrono::steady_clock::now();
};

void Reset(int fd) {
  const linger none{1, 0};  // close sends a reset
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
  ::close(fd);
}

}  // namespace

TcpProxy::TcpProxy(int server_port) : server_port_(server_port) {
  listen_fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  TREADLE_ASSERT(::bind(listen_fd_, reinterpret_cast<sockaddr*>(&address), length) == 0);
  TREADLE_ASSERT(::listen(listen_fd_, 64) == 0);
  TREADLE_ASSERT(::getsockname(listen_fd_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

TcpProxy::~TcpProxy() {
  stopping_ = true;
  acceptor_.join();
  ::close(listen_fd_);
  for (Connection& connection : connections_) connection.thread.join();
}

std::string TcpProxy::address() const { return "127.0.0.1:" + std::to_string(port_); }

void TcpProxy::Cut() {
  std::lock_guard lock(mutex_);
  for (Connection& connection : connections_) connection.cut = true;
}

void TcpProxy::Accept() {
  while (!stopping_) {
    pollfd wait{listen_fd_, POLLIN, 0};
    if (::poll(&wait, 1, kLookMs) <= 0) continue;
    const int client_fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client_fd < 0) continue;
    const int server_fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(server_port_);
    // Sockets would take in a message of some MiB at once, as no slow link does.
    ::setsockopt(server_fd, SOL_SOCKET, SO_RCVBUF, &kSocketBytes, sizeof(kSocketBytes));
    if (::connect(server_fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      Reset(client_fd);
      ::close(server_fd);
      continue;
    }
    std::lock_guard lock(mutex_);
    Connection& connection = connections_.emplace_back();
    connection.client_fd = client_fd;
    connection.server_fd = server_fd;
    connection.thread = std::thread([this, &connection] { Relay(connection); });
  }
}

void TcpProxy::Relay(Connection& connection) {
  bool open = true;
  Allowance up;
  Allowance down;
  while (open && !stopping_ && !connection.cut) {
    const auto now = std::chrono::steady_clock::now();
    up.Grow(bytes_per_second_, now);
    down.Grow(bytes_per_second_, now);
    const auto events = [this](const Allowance& allowance) {
      return static_cast<short>(frozen_ || allowance.bytes == 0 ? 0 : POLLIN);
    };
    std::array<pollfd, 2> fds = {
        {{connection.client_fd, events(up), 0}, {connection.server_fd, events(down), 0}}};
    if (::poll(fds.data(), fds.size(), kLookMs) <= 0 || frozen_) continue;
    if (fds[0].revents != 0 && up.bytes > 0) {
      open = Pass(connection.client_fd, connection.server_fd, up.bytes);
    }
    if (open && fds[1].revents != 0 && down.bytes > 0) {
      open = Pass(connection.server_fd, connection.client_fd, down.bytes);
    }
  }
  Reset(connection.client_fd);
  Reset(connection.server_fd);
}

}  // namespace treadle::test
