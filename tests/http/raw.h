#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unistd.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace treadle::http {

// Longer than anything takes, even on a machine that is busy with much else.
inline constexpr auto kPatience = std::chrono::seconds(60);

// A client's connection that says what the test likes.
class Raw {
 public:
  explicit Raw(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval limit{.tv_sec = std::chrono::seconds(kPatience).count(), .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~Raw() { ::close(fd_); }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  // What the other end has no room for any more is not said.
  void Say(const std::string& text) { ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  // Until the text so far ends so, or the connection does.
  std::string Hear(const std::string& end = "\n\n\n") {
    std::string heard;
    char byte = 0;
    while (heard.find(end) == std::string::npos && ::recv(fd_, &byte, 1, 0) == 1) heard += byte;
    return heard;
  }

 private:
  const int fd_;
};

}  // namespace treadle::http
