#include "tests/support/tcp_proxy.h"

#include <array>
#include <poll.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "proto/support/assert.h"

namespace treadle::test {
namespace {

constexpr int kLookMs = 10;  // how soon a freeze, a cut or the end is noticed

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Passes on what is there. False: the connection is over.
bool Pass(int from, int to) {
  std::array<char, 65'536> bytes;
  const ssize_t count = ::recv(from, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN;
  if (count == 0) return false;
  for (ssize_t sent = 0; sent < count;) {
    const ssize_t n = ::send(to, bytes.data() + sent, count - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += n;
  }
  return true;
}

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
  while (open && !stopping_ && !connection.cut) {
    const auto events = static_cast<short>(frozen_ ? 0 : POLLIN);
    std::array<pollfd, 2> fds = {
        {{connection.client_fd, events, 0}, {connection.server_fd, events, 0}}};
    if (::poll(fds.data(), fds.size(), kLookMs) <= 0 || frozen_) continue;
    if (fds[0].revents != 0) open = Pass(connection.client_fd, connection.server_fd);
    if (open && fds[1].revents != 0) open = Pass(connection.server_fd, connection.client_fd);
  }
  Reset(connection.client_fd);
  Reset(connection.server_fd);
}

}  // namespace treadle::test
