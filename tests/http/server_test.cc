#include "server/http/server.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <httplib.h>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/http/raw.h"

namespace treadle::http {
namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ServerTest : public ::testing::Test {
 protected:
  void Start(Options options = {}) {
    options.listen = "127.0.0.1:0";
    server_ = std::make_unique<Server>(options);
    server_->Get("/hello", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("hello\n", "text/plain");
    });
    server_->Get("/wait", [this](const httplib::Request&, httplib::Response& response) {
      ++waiting_;
      let_go_.get_future().wait();
      response.set_content("waited\n", "text/plain");
    });
    ASSERT_TRUE(server_->Start().ok());
  }
  std::string Hello() {
    httplib::Client client("127.0.0.1", server_->port());
    const httplib::Result result = client.Get("/hello");
    return result ? result->body : httplib::to_string(result.error());
  }
  template <typename Condition>
  static void Eventually(Condition condition) {
    const auto end = steady_clock::now() + kPatience;
    while (!condition()) {
      ASSERT_LT(steady_clock::now(), end) << "waited in vain";
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::promise<void> let_go_;
  std::atomic<int> waiting_ = 0;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, APathIsServedAndAnotherIsNot) {
  Start();
  EXPECT_EQ(Hello(), "hello\n");
  httplib::Client client("127.0.0.1", server_->port());
  EXPECT_EQ(client.Get("/")->status, 404);
  EXPECT_EQ(client.Post("/hello")->status, 404);
  EXPECT_EQ(client.Head("/hello")->status, 200);
}

TEST_F(ServerTest, OneConnectionBringsManyRequests) {
  Start();
  Raw raw(server_->port());
  for (int i = 0; i < 20; ++i) {
    raw.Say("GET /hello HTTP/1.1\r\nHost: here\r\n\r\n");
    EXPECT_THAT(raw.Hear("hello\n"), StartsWith("HTTP/1.1 200"));
  }
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(ServerTest, AnAddressThatIsTakenIsNamedWithItsFlag) {
  Start();
  Options options;
  options.listen = server_->address();
  const absl::Status status = Server(options).Start();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(server_->address()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--http-listen"));
  EXPECT_EQ(Hello(), "hello\n");
}

TEST_F(ServerTest, HeadersWithoutEndAreCutOff) {
  Start();
  Raw raw(server_->port());
  raw.Say("GET /hello HTTP/1.1\r\n");
  const std::string header = "X-Header: " + std::string(1'000, 'x') + "\r\n";
  for (int i = 0; i < 100; ++i) raw.Say(header);
  EXPECT_THAT(raw.Hear(), ::testing::Not(HasSubstr("200")));  // and it ends
  EXPECT_EQ(Hello(), "hello\n");
}

TEST_F(ServerTest, AClientThatIsSlowToAskIsLeft) {
  Start({.request_ms = 50});
  Raw raw(server_->port());
  raw.Say("GET /hello HT");
  EXPECT_EQ(raw.Hear(), "");
  Eventually([this] { return Hello() == "hello\n"; });  // who may be slow, too, on a busy machine
  // Byte by byte it gains nothing.
  Raw drip(server_->port());
  const auto begun = steady_clock::now();
  while (server_->connections() > 0 && steady_clock::now() < begun + kPatience) {
    drip.Say("G");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(server_->connections(), 0);
}

TEST_F(ServerTest, AClientThatAsksNothingOrNothingMoreIsLeft) {
  Start({.request_ms = 1'000, .idle_ms = 20});
  Raw more(server_->port());
  more.Say("GET /hello HTTP/1.1\r\n\r\n");
  EXPECT_THAT(more.Hear("hello\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(more.Hear(), "");
  Raw nothing(server_->port());
  EXPECT_EQ(nothing.Hear(), "");
  Eventually([this] { return server_->connections() == 0; });
}

TEST_F(ServerTest, ABodyThatNobodyReadsIsNoRequest) {
  Start();
  Raw raw(server_->port());
  raw.Say(
      "GET /hello HTTP/1.1\r\nContent-Length: 35\r\n\r\n"
      "GET /hello HTTP/1.1\r\nHost: body\r\n\r\n");
  const std::string heard = raw.Hear();
  EXPECT_THAT(heard, StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(heard.rfind("HTTP/1.1"), 0U) << "one request, one response";
}

TEST_F(ServerTest, WhatIsNoRequestEndsItsConnection) {
  Start();
  Raw raw(server_->port());
  raw.Say("EHLO here\r\n\r\nGET /hello HTTP/1.1\r\n\r\n");
  const std::string heard = raw.Hear();
  EXPECT_THAT(heard, ::testing::Not(HasSubstr("hello")));
  EXPECT_EQ(Hello(), "hello\n");
}

TEST_F(ServerTest, AtTheBoundANewConnectionIsToldSoUnlessOneRests) {
  Start({.connections_max = 2});
  Raw first(server_->port());
  Raw second(server_->port());
  first.Say("GET /wait HTTP/1.1\r\n\r\n");
  Eventually([this] { return waiting_ == 1; });
  second.Say("GET /hello HTTP/1.1\r\n\r\n");
  EXPECT_THAT(second.Hear("hello\n"), StartsWith("HTTP/1.1 200"));
  // The second rests when its thread has seen to it, which may be a moment later.
  Eventually([this] { return Hello() == "hello\n"; });
  EXPECT_EQ(second.Hear(), "") << "it gave way";
  Eventually([this] { return server_->connections() == 1; });

  Raw third(server_->port());
  third.Say("GET /hel");
  Eventually([this] {
    Raw fourth(server_->port());
    return fourth.Hear().find("503 Service Unavailable") != std::string::npos;
  });
  let_go_.set_value();
  EXPECT_THAT(first.Hear("waited\n"), StartsWith("HTTP/1.1 200"));
  Eventually([this] { return Hello() == "hello\n"; });
}

TEST_F(ServerTest, AStopLetsTheAnswerOut) {
  Start();
  Raw asks(server_->port());
  Raw rests(server_->port());
  asks.Say("GET /wait HTTP/1.1\r\n\r\n");
  Eventually([this] { return waiting_ == 1; });
  std::thread stops([this] { server_->Stop(); });
  EXPECT_EQ(rests.Hear(), "");
  let_go_.set_value();
  EXPECT_THAT(asks.Hear(), HasSubstr("waited\n"));
  stops.join();
  EXPECT_EQ(server_->connections(), 0);
}

TEST_F(ServerTest, ManyClientsAtOnceAreServed) {
  Start();
  std::vector<std::thread> clients;
  std::atomic<int> served = 0;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      for (int j = 0; j < 20; ++j) served += Hello() == "hello\n" ? 1 : 0;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(served, 16 * 20);
}

}  // namespace
}  // namespace treadle::http
