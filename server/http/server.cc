#include "server/http/server.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <poll.h>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "proto/support/address.h"
#include "proto/support/assert.h"
#include "proto/support/listen.h"
#include "proto/support/thread_name.h"
#include "server/http/connection.h"
#include "server/http/router.h"

namespace treadle::http {
namespace {

using std::chrono::steady_clock;

// A pause in which nothing is accepted, for want of a descriptor.
constexpr int kPauseMs = 100;
constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    "Content-Length: 56\r\n\r\nbusy: as many connections are open as may be; try again\n";

}  // namespace

class Server::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)), router_(options_.body_bytes_max) {}
  ~Impl() { Stop(); }

  Router& router() { return router_; }

  absl::Status Start() {
    TREADLE_ASSERT(!acceptor_.joinable());
    const absl::StatusOr<Address> address = ParseAddress(options_.listen, /*port_min=*/0);
    if (!address.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--http-listen: ", address.status().message()));
    }
    address_ = *address;
    absl::StatusOr<std::vector<int>> listeners = Listen(address_, "--http-listen");
    if (!listeners.ok()) return listeners.status();
    listeners_ = *std::move(listeners);
    wake_fd_ = ::eventfd(0, EFD_CLOEXEC);
    TREADLE_ASSERT(wake_fd_ >= 0);
    acceptor_ = std::thread([this] { Accept(); });
    return absl::OkStatus();
  }

  std::string address() const { return address_.ToString(); }
  int port() const { return address_.port; }
  int64_t connections() const {
    std::lock_guard lock(mutex_);
    return std::ssize(open_);
  }

  void Stop() {
    if (!acceptor_.joinable()) return;
    const uint64_t one = 1;
    TREADLE_ASSERT(::write(wake_fd_, &one, sizeof(one)) == sizeof(one));
    acceptor_.join();
    ::close(wake_fd_);
    for (const int fd : std::exchange(listeners_, {})) ::close(fd);
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      // What is written still gets out.
      for (const auto& [fd, state] : open_) ::shutdown(fd, SHUT_RD);
    }
    news_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  struct State {
    bool rests = false;  // between two requests
    steady_clock::time_point since{};
    bool gives_way = false;
  };

  // The acceptor's thread.
  void Accept() {
    NameThread("http-accept");
    std::vector<pollfd> polled{{.fd = wake_fd_, .events = POLLIN, .revents = 0}};
    for (const int fd : listeners_) polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    bool paused = false;
    while (true) {
      ::poll(polled.data(), paused ? 1 : polled.size(), paused ? kPauseMs : -1);
      if (polled[0].revents != 0) return;
      paused = false;
      for (size_t i = 1; i < polled.size(); ++i) {
        const int fd = ::accept4(polled[i].fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
          Take(fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
          paused = true;
        }
      }
    }
  }

  void Take(int fd) {
    std::unique_lock lock(mutex_);
    if (std::ssize(open_) >= options_.connections_max && !EndOneThatRests()) {
      lock.unlock();
      ::send(fd, kBusy.data(), kBusy.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      ::close(fd);
      return;
    }
    open_.emplace(fd, State{});
    waiting_.push_back(fd);
    if (std::ssize(waiting_) > idle_threads_ && std::ssize(threads_) < options_.connections_max) {
      threads_.emplace_back([this] { Run(); });
    }
    lock.unlock();
    news_.notify_one();
  }

  // Its thread closes it, and takes the next. REQUIRES: mutex_ is held.
  bool EndOneThatRests() {
    auto longest = open_.end();
    for (auto at = open_.begin(); at != open_.end(); ++at) {
      if (!at->second.rests) continue;
      if (longest == open_.end() || at->second.since < longest->second.since) longest = at;
    }
    if (longest == open_.end()) return false;
    ::shutdown(longest->first, SHUT_RDWR);
    longest->second = State{.gives_way = true};
    return true;
  }

  void Run() {
    NameThread("http");
    while (true) {
      std::unique_lock lock(mutex_);
      ++idle_threads_;
      news_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      --idle_threads_;
      if (waiting_.empty()) return;
      const int fd = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      Serve(fd);
      lock.lock();
      open_.erase(fd);
      ::close(fd);
    }
  }

  void Serve(int fd) {
    Connection connection(fd, {.request_bytes_max = options_.request_bytes_max,
                               .request_ms = options_.request_ms,
                               .response_ms = options_.response_ms});
    // Who has just come is about to ask.
    bool more = connection.AwaitRequest(options_.request_ms);
    while (more && router_.Serve(connection, /*is_last=*/stopping_)) {
      Rest(fd);
      more = connection.AwaitRequest(options_.idle_ms) && GoOn(fd);
    }
    ::shutdown(fd, SHUT_WR);
  }
  void Rest(int fd) {
    std::lock_guard lock(mutex_);
    open_[fd] = State{.rests = true, .since = steady_clock::now()};
  }
  // A request has come. False: the connection gives way to another.
  bool GoOn(int fd) {
    std::lock_guard lock(mutex_);
    open_[fd].rests = false;
    return !open_[fd].gives_way;
  }

  const Options options_;
  Router router_;
  Address address_;
  std::vector<int> listeners_;
  int wake_fd_ = -1;  // readable: stop
  std::thread acceptor_;

  mutable std::mutex mutex_;
  std::condition_variable news_;
  // GUARDED_BY(mutex_):
  absl::flat_hash_map<int, State> open_;  // by descriptor, until it is closed
  std::deque<int> waiting_;               // for a thread; in open_
  int64_t idle_threads_ = 0;
  std::atomic<bool> stopping_ = false;  // read without it, too

  std::vector<std::thread> threads_;  // the acceptor's, then Stop's
};

Server::Server(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() = default;

void Server::Get(const std::string& path, Handler handler) {
  impl_->router().Get(path, std::move(handler));
}
void Server::GetOthers(Handler handler) { impl_->router().GetOthers(std::move(handler)); }
void Server::Post(Posts& posts) { impl_->router().Post(posts); }
absl::Status Server::Start() { return impl_->Start(); }
std::string Server::address() const { return impl_->address(); }
int Server::port() const { return impl_->port(); }
int64_t Server::connections() const { return impl_->connections(); }
void Server::Stop() { impl_->Stop(); }

}  // namespace treadle::http
