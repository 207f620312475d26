#include "server/http/connection.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <netdb.h>
#include <poll.h>
#include <utility>

#include <sys/socket.h>

namespace treadle::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

using GetName = int (*)(int, sockaddr*, socklen_t*);  // getpeername, getsockname

void IpAndPort(int fd, GetName get_name, std::string& ip, int& port) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  char host[NI_MAXHOST] = "";
  char service[NI_MAXSERV] = "0";
  if (get_name(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    ::getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host, sizeof(host), service,
                  sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV);
  }
  ip = host;
  port = std::atoi(service);
}

// How long and how much a connection lingers.
constexpr milliseconds kLinger{1'000};
constexpr int64_t kLingerBytesMax = int64_t{16} << 20;

}  // namespace

Connection::Connection(int fd, const Bounds& bounds) : fd_(fd), bounds_(bounds) {}

bool Connection::AwaitRequest(int64_t idle_ms) {
  is_responding_ = false;
  if (is_cut_off_) return false;
  if (buffer_begin_ == buffer_end_ &&
      !AwaitUntil(POLLIN, steady_clock::now() + milliseconds(idle_ms))) {
    return false;
  }
  request_ends_ = steady_clock::now() + milliseconds(bounds_.request_ms);
  request_bytes_left_ = bounds_.request_bytes_max;
  return true;
}

void Connection::Linger() {
  ::shutdown(fd_, SHUT_WR);
  const TimePoint end = steady_clock::now() + kLinger;
  int64_t left = kLingerBytesMax;
  while (left > 0 && AwaitUntil(POLLIN, end)) {
    const ssize_t received = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (received <= 0) return;
    left -= received;
  }
}

bool Connection::AwaitUntil(int16_t event, TimePoint end) const {
  pollfd polled{.fd = fd_, .events = event, .revents = 0};
  while (true) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(end - steady_clock::now()).count() + 1;
    const int ready = left <= 0 ? 0 : ::poll(&polled, 1, static_cast<int>(left));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

bool Connection::is_readable() const {
  return buffer_begin_ < buffer_end_ || AwaitUntil(POLLIN, request_ends_);
}

bool Connection::is_writable() const { return AwaitUntil(POLLOUT, response_ends_); }

ssize_t Connection::read(char* into, size_t size) {
  if (buffer_begin_ == buffer_end_) {
    const size_t most =
        std::min(buffer_.size(), static_cast<size_t>(std::max<int64_t>(0, request_bytes_left_)));
    const ssize_t received =
        most > 0 && AwaitUntil(POLLIN, request_ends_) ? ::recv(fd_, buffer_.data(), most, 0) : -1;
    is_cut_off_ = received <= 0;
    if (is_cut_off_) return received;
    request_bytes_left_ -= received;
    buffer_begin_ = 0;
    buffer_end_ = static_cast<size_t>(received);
  }
  const size_t taken = std::min(size, buffer_end_ - buffer_begin_);
  std::memcpy(into, buffer_.data() + buffer_begin_, taken);
  buffer_begin_ += taken;
  return static_cast<ssize_t>(taken);
}

ssize_t Connection::write(const char* from, size_t size) {
  if (!std::exchange(is_responding_, true)) {
    response_ends_ = steady_clock::now() + milliseconds(bounds_.response_ms);
  }
  if (!AwaitUntil(POLLOUT, response_ends_)) return -1;
  return ::send(fd_, from, size, MSG_NOSIGNAL);
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  IpAndPort(fd_, ::getpeername, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  IpAndPort(fd_, ::getsockname, ip, port);
}

}  // namespace treadle::http
