#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/rpc/connect.h"
#include "tests/rpc/fixture.h"

namespace treadle::test {

// A peer that takes no bytes of answers (its window is closed), and is alive otherwise.
class ClosedWindow {
 public:
  explicit ClosedWindow(int port) : fd_(ConnectTo(port)) {
    constexpr char kInitialWindowIsZero[] = {0, 4, 0, 0, 0, 0};
    Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    SendFrame(kSettings, 0, 0, {kInitialWindowIsZero, sizeof(kInitialWindowIsZero)});
  }
  ~ClosedWindow() { ::close(fd_); }
  ClosedWindow(const ClosedWindow&) = delete;
  ClosedWindow& operator=(const ClosedWindow&) = delete;

  // A call with an empty message.
  void Call(absl::string_view path) {
    next_stream_ += 2;
    std::string headers;
    for (const auto& [name, value] :
         {std::pair<absl::string_view, absl::string_view>{":method", "POST"},
          {":scheme", "http"},
          {":path", path},
          {":authority", "x"},
          {"te", "trailers"},
          {"content-type", "application/grpc"}}) {
      // A literal header that no table keeps (RFC 7541, 6.2.2).
      headers += '\0';
      for (const absl::string_view text : {name, value}) {
        headers += static_cast<char>(text.size());
        absl::StrAppend(&headers, text);
      }
    }
    SendFrame(kHeaders, kEndHeaders, next_stream_, headers);
    SendFrame(kData, kEndStream, next_stream_, std::string(5, '\0'));
  }

  // Reads on until so many calls were broken off.
  void AwaitResets(int count) {
    const auto begin = std::chrono::steady_clock::now();
    std::string bytes;
    for (int resets = 0; resets < count;) {
      ASSERT_LT(std::chrono::steady_clock::now() - begin, kPatience) << resets << " broken off";
      char some[4'096];
      const ssize_t read = ::recv(fd_, some, sizeof(some), 0);
      ASSERT_GT(read, 0) << "the connection is over, " << resets << " broken off";
      bytes.append(some, static_cast<size_t>(read));
      while (bytes.size() >= kHeadBytes && bytes.size() >= kHeadBytes + Length(bytes)) {
        if (bytes[3] == kReset) ++resets;
        if (bytes[3] == kPing) SendFrame(kPing, kAck, 0, bytes.substr(kHeadBytes, Length(bytes)));
        bytes.erase(0, kHeadBytes + Length(bytes));
      }
    }
  }

 private:
  enum Type : char { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6 };
  static constexpr char kAck = 1;
  static constexpr char kEndStream = 1;
  static constexpr char kEndHeaders = 4;
  static constexpr size_t kHeadBytes = 9;

  static size_t Length(const std::string& frame) {
    return static_cast<size_t>(static_cast<uint8_t>(frame[0])) << 16 |
           static_cast<size_t>(static_cast<uint8_t>(frame[1])) << 8 |
           static_cast<size_t>(static_cast<uint8_t>(frame[2]));
  }
  void SendFrame(Type type, char flags, uint32_t stream, absl::string_view payload) {
    const uint32_t in_order = htonl(stream);
    std::string frame{0, 0, static_cast<char>(payload.size()), type, flags};
    frame.append(reinterpret_cast<const char*>(&in_order), sizeof(in_order));
    absl::StrAppend(&frame, payload);
    Send(frame);
  }
  void Send(absl::string_view bytes) {
    ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  const int fd_;
  uint32_t next_stream_ = UINT32_MAX;  // the first is 1
};

}  // namespace treadle::test
