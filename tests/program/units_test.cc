#include "proto/support/units.h"

#include <gtest/gtest.h>

namespace treadle {
namespace {

TEST(Units, DurationsReadAndPrint) {
  for (const auto& [text, ms] : std::initializer_list<std::pair<const char*, int64_t>>{
           {"0", 0}, {"500ms", 500}, {"30s", 30'000}, {"1h30m", 5'400'000}, {"7d", 604'800'000}}) {
    ASSERT_TRUE(ParseDurationMs(text).ok()) << text;
    EXPECT_EQ(*ParseDurationMs(text), ms);
    EXPECT_EQ(FormatDurationMs(ms), text);
  }
  EXPECT_EQ(*ParseDurationMs("1.5s"), 1'500);
}

TEST(Units, WhatIsNoDurationIsRefused) {
  for (const char* text :
       {"", "5", "s", "-5s", "5 s", "5x", "1..5s", "5s ", "1e3s", "99999999999999999999999d"}) {
    EXPECT_FALSE(ParseDurationMs(text).ok()) << text;
  }
}

TEST(Units, SizesReadAndPrint) {
  for (const auto& [text, bytes] : std::initializer_list<std::pair<const char*, int64_t>>{
           {"0", 0}, {"512", 512}, {"64KiB", 65'536}, {"4MiB", 4 << 20}, {"1GiB", 1 << 30}}) {
    ASSERT_TRUE(ParseSizeBytes(text).ok()) << text;
    EXPECT_EQ(*ParseSizeBytes(text), bytes);
    EXPECT_EQ(FormatSizeBytes(bytes), text);
  }
  EXPECT_EQ(*ParseSizeBytes("1.5KiB"), 1'536);
  EXPECT_EQ(*ParseSizeBytes("2MB"), 2'000'000);
}

TEST(Units, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "MiB", "-1", "1 MiB", "1XiB", "1MiB1KiB", "999999999999TiB"}) {
    EXPECT_FALSE(ParseSizeBytes(text).ok()) << text;
  }
}

}  // namespace
}  // namespace treadle
