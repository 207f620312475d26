#include "server/bridge/origin.h"

#include <httplib.h>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::bridge {
namespace {

using ::testing::HasSubstr;

absl::Status Check(const httplib::Headers& headers, bool is_loopback = true) {
  httplib::Request request;
  request.headers = headers;
  return CheckOrigin(request, is_loopback);
}

TEST(Origin, WhoSaysNothingOfASiteIsNoBrowser) {
  for (const char* const host : {"127.0.0.1:7734", "127.0.0.1", "localhost:8080", "LOCALHOST",
                                 "[::1]:7734", "[::1]", "127.1.2.3:1"}) {
    EXPECT_TRUE(Check({{"Host", host}}).ok()) << host;
  }
}

TEST(Origin, ANameThatIsNotLoopbacksOwnIsRefusedOnLoopback) {
  for (const char* const host : {"evil.example:7734", "", "127.0.0.1.evil.example", "10.0.0.7",
                                 "localhost.evil.example", "[::2]:7734"}) {
    const absl::Status status = Check({{"Host", host}});
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << host;
    EXPECT_THAT(std::string(status.message()), HasSubstr("ask for localhost"));
    EXPECT_TRUE(Check({{"Host", host}}, /*is_loopback=*/false).ok()) << host;
  }
  EXPECT_FALSE(Check({}).ok());
}

TEST(Origin, PagesOfOtherSitesAreRefusedWhereverThePortListens) {
  const std::string host = "127.0.0.1:7734";
  for (const bool is_loopback : {true, false}) {
    for (const char* const site : {"cross-site", "same-site", "anything"}) {
      EXPECT_EQ(Check({{"Host", host}, {"Sec-Fetch-Site", site}}, is_loopback).code(),
                absl::StatusCode::kPermissionDenied)
          << site;
    }
    for (const char* const site : {"same-origin", "none"}) {
      EXPECT_TRUE(Check({{"Host", host}, {"Sec-Fetch-Site", site}}, is_loopback).ok()) << site;
    }
    for (const char* const origin :
         {"http://evil.example", "http://127.0.0.1:8080", "null", "127.0.0.1:7734"}) {
      EXPECT_EQ(Check({{"Host", host}, {"Origin", origin}}, is_loopback).code(),
                absl::StatusCode::kPermissionDenied)
          << origin;
    }
    EXPECT_TRUE(Check({{"Host", host}, {"Origin", "http://" + host}}, is_loopback).ok());
    EXPECT_TRUE(Check({{"Host", host}, {"Origin", "https://" + host}}, is_loopback).ok());
  }
}

}  // namespace
}  // namespace treadle::bridge
