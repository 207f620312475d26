#include "server/http/posts.h"

#include <cstddef>
#include <httplib.h>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/server.h"
#include "tests/http/raw.h"

namespace treadle::http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kTeapot = 418;

// Says a body again, and refuses what asks for tea before it is read.
class Echo final : public Posts {
 public:
  bool Admits(const httplib::Request& request, httplib::Response& refusal) const override {
    if (request.path != "/tea") return true;
    refusal.status = kTeapot;
    refusal.set_content("no tea\n", "text/plain");
    return false;
  }
  void Refuse(const absl::Status& why, httplib::Response& refusal) const override {
    refusal.status = 400;
    refusal.set_content(absl::StrCat(why.message(), "\n"), "text/plain");
  }
  void Answer(const httplib::Request& request, httplib::Response& response) override {
    response.set_content(absl::StrCat("<", request.body, ">\n"), "text/plain");
  }
};

class PostsTest : public ::testing::Test {
 protected:
  PostsTest() {
    Options options;
    options.listen = "127.0.0.1:0";
    options.body_bytes_max = 100'000;
    options.request_ms = 2'000;
    server_ = std::make_unique<Server>(options);
    server_->Get("/big", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(std::string(100'000, 'b'), "text/plain");
    });
    server_->Post(echo_);
    EXPECT_TRUE(server_->Start().ok());
  }
  // What the server says to these headers of a POST, and what follows them.
  std::string Say(const std::string& headers, const std::string& body = "",
                  const std::string& path = "/echo") {
    Raw raw(server_->port());
    raw.Say(absl::StrCat("POST ", path, " HTTP/1.1\r\nHost: here\r\n", headers, "\r\n", body));
    return raw.Hear("\n\n");
  }

  Echo echo_;
  std::unique_ptr<Server> server_;
};

TEST_F(PostsTest, OneConnectionBringsManyBodies) {
  Raw raw(server_->port());
  for (int i = 0; i < 5; ++i) {
    const std::string body(static_cast<size_t>(i) * 20'000, 'x');
    raw.Say(absl::StrCat("POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: ", body.size(),
                         "\r\n\r\n", body));
    EXPECT_THAT(raw.Hear(">\n"), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr(body)));
  }
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(PostsTest, ABodyOfUnknownLengthIsRefused) {
  const char kSentence[] = "send Content-Length, once";
  EXPECT_THAT(Say("Connection: close\r\n"),
              AllOf(StartsWith("HTTP/1.1 400"), HasSubstr(kSentence)));
  EXPECT_THAT(Say("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), HasSubstr(kSentence));
  EXPECT_THAT(Say("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), HasSubstr(kSentence));
  EXPECT_THAT(Say("Content-Length: 3\r\nContent-Length: 30\r\n", "abc"), HasSubstr(kSentence));
  EXPECT_THAT(Say("Content-Length: -3\r\n", "abc"), HasSubstr(kSentence));
  EXPECT_THAT(Say("Content-Length: three\r\n", "abc"), HasSubstr(kSentence));
}

TEST_F(PostsTest, ABodyBeyondTheBoundIsRefusedAndItsClientReadsWhy) {
  const std::string body(1'000'000, 'x');
  EXPECT_THAT(Say("Content-Length: 1000000\r\n", body),
              AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("1000000 bytes, more than the 100000")));
  EXPECT_THAT(Say("Content-Length: 1000000\r\nExpect: 100-continue\r\n"),
              AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("more than the 100000")));
  EXPECT_THAT(Say("Content-Length: 99999999999999999999\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST_F(PostsTest, ABodyThatIsExpectedIsAskedFor) {
  Raw raw(server_->port());
  raw.Say("POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(raw.Hear("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  raw.Say("abc");
  EXPECT_THAT(raw.Hear("<abc>\n"), HasSubstr("<abc>"));
}

TEST_F(PostsTest, ABodyThatStopsHalfWayEndsItsConnection) {
  const std::string heard = Say("Content-Length: 100\r\n", "GET /big HTTP/1.1\r\n\r\n");
  EXPECT_THAT(heard, StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(heard.rfind("HTTP/1.1"), 0U) << "one request, one response";
}

// A few bytes that would be unpacked to very many.
TEST_F(PostsTest, ACompressedBodyIsRefused) {
  EXPECT_THAT(Say("Content-Length: 3\r\nContent-Encoding: gzip\r\n", "abc"),
              HasSubstr("compressed"));
  EXPECT_THAT(
      Say("Content-Length: 3\r\nContent-Encoding: identity\r\nConnection: close\r\n", "abc"),
      HasSubstr("<abc>"));
}

TEST_F(PostsTest, WhatIsNotAdmittedIsNotRead) {
  const std::string heard =
      Say("Content-Length: 35\r\n", "POST /echo HTTP/1.1\r\nHost: body\r\n\r\n", "/tea");
  EXPECT_THAT(heard, AllOf(StartsWith("HTTP/1.1 418"), HasSubstr("no tea")));
  EXPECT_EQ(heard.rfind("HTTP/1.1"), 0U) << "one request, one response";
}

TEST_F(PostsTest, OtherMethodsAndEndlessPathsAreRefused) {
  httplib::Client client("127.0.0.1", server_->port());
  const httplib::Result put = client.Put("/echo", "abc", "text/plain");
  EXPECT_EQ(put->status, 405);
  EXPECT_EQ(put->get_header_value("Allow"), "GET, HEAD, POST");
  EXPECT_EQ(client.Delete("/echo")->status, 405);
  EXPECT_EQ(client.Options("/echo")->status, 405) << "no leave for other sites' pages";
  EXPECT_EQ(client.Post("/" + std::string(5'000, 'p'), "", "text/plain")->status, 414);
}

// httplib would send the same bytes again for each range, and take Brotli, which takes seconds.
TEST_F(PostsTest, AResponseIsWholeAndCompressedQuicklyIfAtAll) {
  httplib::Client client("127.0.0.1", server_->port());
  const auto get = [&](const httplib::Headers& headers) { return client.Get("/big", headers); };
  const httplib::Result ranges = get({{"Range", "bytes=0-,0-,0-"}});
  EXPECT_EQ(ranges->status, 200);
  EXPECT_EQ(ranges->body.size(), 100'000U);
  EXPECT_EQ(get({{"Accept-Encoding", "gzip, br"}})->get_header_value("Content-Encoding"), "gzip");
  EXPECT_EQ(get({{"Accept-Encoding", "br"}})->get_header_value("Content-Encoding"), "");
  EXPECT_EQ(get({{"Accept-Encoding", "gzip;q=0"}})->get_header_value("Content-Encoding"), "");
  EXPECT_EQ(get({{"Accept-Encoding", "*"}})->get_header_value("Content-Encoding"), "gzip");
}

}  // namespace
}  // namespace treadle::http
