#include "server/store/expiry.h"

#include <cstdint>
#include <optional>
#include <string>

#include "gtest/gtest.h"

#include "tests/store/rows.h"

namespace treadle::store {
namespace {

TEST(Expiry, PrefixIsWhatTheStoreSaysItIs) {
  EXPECT_EQ(Staying("x"), std::string("\0x", 2));
  EXPECT_EQ(Expiring(0x0102030405060708, "x"), "\x01\x08\x07\x06\x05\x04\x03\x02\x01x");
}

TEST(Expiry, TimeComesBack) {
  for (const int64_t at_ms : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{255}, INT64_MAX}) {
    EXPECT_EQ(ExpiresAtMs(Expiring(at_ms, "x")), at_ms);
  }
  EXPECT_EQ(ExpiresAtMs(Staying("123456789")), std::nullopt);
}

TEST(Expiry, WhatIsNotUnderstoodStays) {
  for (const char* value : {"", "\x01",
                            "\x01"
                            "1234567",
                            "\x02"
                            "12345678"}) {
    EXPECT_FALSE(HasExpiryPrefix(value));
    EXPECT_FALSE(Expired(value, INT64_MAX - 1));
  }
}

TEST(Expiry, ExpiredFromItsTimeOn) {
  EXPECT_FALSE(Expired(Expiring(10, ""), 9));
  EXPECT_TRUE(Expired(Expiring(10, ""), 10));
  EXPECT_FALSE(Expired(Staying(""), INT64_MAX - 1));
}

TEST(Expiry, RestFollowsThePrefix) {
  EXPECT_EQ(WithoutExpiry(Staying("rest")), "rest");
  EXPECT_EQ(WithoutExpiry(Expiring(1, "rest")), "rest");
}

}  // namespace
}  // namespace treadle::store
