#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <httplib.h>
#include <string>

namespace treadle::http {

// One client's socket, as httplib reads requests from it and writes responses to it, with bounds
// that httplib does not have: on the bytes of a request, and on the time in which all of it must
// have come and all of its response must be taken. Beyond a bound the client is gone. One thread.
class Connection final : public httplib::Stream {
 public:
  struct Bounds {
    int64_t request_bytes_max = 0;  // its body is not among them when ExpectBody is called
    int64_t request_ms = 0;         // from its first byte to its last
    int64_t response_ms = 0;        // from its first byte to its last
  };

  // `fd` is non-blocking and stays the caller's.
  Connection(int fd, const Bounds& bounds);

  // Waits for a request's first byte. False: none has come in this time, the client has left, or
  // what it sent last has not come whole.
  bool AwaitRequest(int64_t idle_ms);
  // The request at hand may have so many bytes more.
  void ExpectBody(int64_t bytes) { request_bytes_left_ += bytes; }
  // Tells the client that nothing more is said, and takes what it still sends, for a moment: a
  // socket that is closed with bytes unread in it takes back what was said last.
  void Linger();

  bool is_readable() const override;
  bool is_writable() const override;
  // -1: a bound is reached, or the socket failed; 0: the client has left.
  ssize_t read(char* into, size_t size) override;
  ssize_t write(const char* from, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd_; }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  // False: not before `end`.
  bool AwaitUntil(int16_t event, TimePoint end) const;

  const int fd_;
  const Bounds bounds_;
  TimePoint request_ends_;
  TimePoint response_ends_;
  bool is_responding_ = false;
  bool is_cut_off_ = false;  // a read has failed: what comes next is the rest of a request
  int64_t request_bytes_left_ = 0;
  std::array<char, 4'096> buffer_;
  size_t buffer_begin_ = 0;
  size_t buffer_end_ = 0;
};

}  // namespace treadle::http
