#include "proto/support/address.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle {
namespace {

using testing::HasSubstr;

TEST(Address, NamesAndNumbersAreReadAndWrittenAlike) {
  for (const char* text : {"127.0.0.1:7733", "localhost:1", "broker.example:65535", "[::1]:7733",
                           "[fe80::1%eth0]:80", "my_broker-2:7733"}) {
    const absl::StatusOr<Address> address = ParseAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(ParseAddress("[::1]:7733")->host, "::1");
}

TEST(Address, PortZeroIsForThoseWhoListen) {
  EXPECT_EQ(ParseAddress("127.0.0.1:0", 0)->port, 0);
  EXPECT_THAT(ParseAddress("127.0.0.1:0").status().message(), HasSubstr("from 1 to 65535"));
}

TEST(Address, EachMistakeIsNamed) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"", "empty"},
      {"127.0.0.1", "has no port; write 127.0.0.1:7733"},
      {"localhost", "write localhost:7733"},
      {"[::1]", "write [::1]:7733"},
      {"7733", "has no host; write HOST:7733"},
      {":7733", "has no host"},
      {"http://127.0.0.1:7733", "is a URL"},
      {"dns:///127.0.0.1:7733", "is a URL"},
      {"::1", "in brackets"},
      {"::1:7733", "in brackets"},
      {"127.0.0.1:73269", "from 1 to 65535"},
      {"127.0.0.1:99999999999999999999", "from 1 to 65535"},
      {"127.0.0.1:-1", "from 1 to 65535"},
      {"127.0.0.1:+7733", "from 1 to 65535"},
      {"127.0.0.1:", "from 1 to 65535"},
      {"127.0.0.1:http", "from 1 to 65535"},
      {"127.0.0.1 :7733", "character"},
      {"127.0.0.1:7733/path", "from 1 to 65535"},
      {"me@host:7733", "character"},
      {absl::StrCat(std::string(1'000, 'a'), ":7733"), "too long"},
  };
  for (const auto& [text, word] : mistakes) {
    const absl::Status status = ParseAddress(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(status.message(), HasSubstr(word)) << text;
  }
}

}  // namespace
}  // namespace treadle
