#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace treadle::test {

// Stands between a client and a server on 127.0.0.1, and breaks what passes through it.
class TcpProxy {
 public:
  // To the server at this port.
  explicit TcpProxy(int server_port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  // Where clients connect: "127.0.0.1:43210".
  std::string address() const;

  // Resets every connection that there is. New ones are taken.
  void Cut();
  // Nothing passes any more, either way, though connections stay: a half-open connection. New ones
  // are taken, and nothing passes on them either.
  void Freeze() { frozen_ = true; }
  void Thaw() { frozen_ = false; }
  // A slow link: so many bytes pass each way in a second, on each connection.
  void SlowDown(int64_t bytes_per_second) { bytes_per_second_ = bytes_per_second; }

 private:
  struct Connection {
    int client_fd = -1;
    int server_fd = -1;
    std::thread thread;
    std::atomic<bool> cut{false};
  };

  void Accept();
  void Relay(Connection& connection);

  const int server_port_;
  int listen_fd_ = -1;
  int port_ = 0;
  std::atomic<bool> frozen_{false};
  std::atomic<int64_t> bytes_per_second_{INT64_MAX};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::list<Connection> connections_;
  std::thread acceptor_;
};

}  // namespace treadle::test
