#include "server/rpc/acceptor.h"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "proto/support/assert.h"
#include "proto/support/listen.h"
#include "proto/support/thread_name.h"

namespace treadle::rpc {
namespace {

constexpr int64_t kWordMs = 5'000;
constexpr int kPauseMs = 100;
constexpr int kAcceptedAtOnce = 64;

}  // namespace

Acceptor::Acceptor(Connections& connections, const Clock& clock)
    : connections_(connections), clock_(clock) {}

Acceptor::~Acceptor() { Stop(); }

absl::Status Acceptor::Listen(Address& address) {
  TREADLE_ASSERT(listeners_.empty());
  absl::StatusOr<std::vector<int>> listeners = treadle::Listen(address, "--listen");
  if (!listeners.ok()) return listeners.status();
  listeners_ = *std::move(listeners);
  return absl::OkStatus();
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
