#include "client/cli/console/human.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

TEST(Human, BytesHaveOneDecimalUntilAHundred) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1024), "1.0 KiB");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(HumanBytes(int64_t{300} << 30), "300 GiB");
}

TEST(Human, DurationsHaveTwoUnitsAtMost) {
  EXPECT_EQ(HumanDuration(0), "0ms");
  EXPECT_EQ(HumanDuration(80), "80ms");
  EXPECT_EQ(HumanDuration(3'250), "3.2s");
  EXPECT_EQ(HumanDuration(42'999), "42s");
  EXPECT_EQ(HumanDuration(245'000), "4m05s");
  EXPECT_EQ(HumanDuration(2 * 3'600'000 + 10 * 60'000), "2h10m");
  EXPECT_EQ(HumanDuration(int64_t{24} * 3'600'000), "1d");
  EXPECT_EQ(HumanDuration(int64_t{76} * 3'600'000), "3d4h");
}

TEST(Human, RatesAreShort) {
  EXPECT_EQ(HumanRate(0.42), "0.4/s");
  EXPECT_EQ(HumanRate(37.2), "37/s");
  EXPECT_EQ(HumanRate(1'234), "1.2k/s");
  EXPECT_EQ(HumanRate(3.4e6), "3.4M/s");
}

TEST(Human, NumbersHaveTheirThousandsApart) {
  EXPECT_EQ(HumanNumber(0), "0");
  EXPECT_EQ(HumanNumber(999), "999");
  EXPECT_EQ(HumanNumber(1'000), "1,000");
  EXPECT_EQ(HumanNumber(-123'456), "-123,456");
  EXPECT_EQ(HumanNumber(INT64_MAX), "9,223,372,036,854,775,807");
}

TEST(Human, ASparklineIsOfTheLastValues) {
  EXPECT_EQ(Sparkline({}, 10), "");
  EXPECT_EQ(Sparkline({0, 0}, 10), "  ");
  EXPECT_EQ(Sparkline({0, 0.01, 4, 8}, 10), " ▁▄█");
  EXPECT_EQ(Sparkline({100, 1, 2}, 2), "▄█");
}

TEST(Human, TextIsCutBetweenCharactersOfAnyWidth) {
  EXPECT_EQ(CutToWidth("東京第一倉庫", 12), "東京第一倉庫");
  EXPECT_EQ(CutToWidth("東京第一倉庫", 11), "東京第一...");
  EXPECT_EQ(CutToWidth("東京第一倉庫", 10), "東京第...");
  EXPECT_EQ(CutMiddleToWidth("tenant-4711.invoices", 20), "tenant-4711.invoices");
  EXPECT_EQ(CutMiddleToWidth("tenant-4711.invoices", 12), "tena...oices");
  EXPECT_EQ(CutMiddleToWidth("東京第一倉庫", 10), "東...倉庫");
  EXPECT_EQ(CutMiddleToWidth("tenant", 4), "t...");
  EXPECT_EQ(CutMiddleToWidth("tenant", 2), "..");
}

TEST(Human, TimesAreReadAsRfc3339) {
  EXPECT_EQ(*ParseTimeMs("2025-03-01T14:05:00Z"), 1'740'837'900'000);
  EXPECT_EQ(*ParseTimeMs("2025-03-01T16:05:00.250+02:00"), 1'740'837'900'250);
  EXPECT_EQ(HumanTime(*ParseTimeMs("2025-03-01 14:05")), "2025-03-01 14:05:00");
}

TEST(Human, WhatIsNoTimeIsRefusedWithExamples) {
  for (const char* text : {"", "tomorrow", "2025-13-01T00:00:00Z", "14:05"}) {
    const absl::StatusOr<int64_t> time = ParseTimeMs(text);
    EXPECT_TRUE(absl::IsInvalidArgument(time.status())) << text;
    EXPECT_NE(time.status().message().find("2025-03-01"), absl::string_view::npos);
  }
}

TEST(Human, TimesBeyondTheClocksAreRefused) {
  EXPECT_TRUE(ParseTimeMs("2261-12-31T23:59:59Z").ok());
  EXPECT_TRUE(ParseTimeMs("1678-01-01T00:00:00Z").ok());
  for (const char* text : {"2263-01-01T00:00:00Z", "2600-06-01 00:00", "9999-12-31T23:59:59Z",
                           "1600-01-01T00:00:00Z", "infinite-future"}) {
    const absl::StatusOr<int64_t> time = ParseTimeMs(text);
    EXPECT_TRUE(absl::IsInvalidArgument(time.status())) << text;
    EXPECT_NE(time.status().message().find("2261"), absl::string_view::npos) << time.status();
  }
}

TEST(Human, ControlCharactersCannotReachTheTerminal) {
  EXPECT_EQ(Printable("a\nb\tc\x1b[31m\r"), "a\\nb\\tc\\x1b[31m\\x0d");
  EXPECT_EQ(Printable("żółw 漢"), "żółw 漢");
  EXPECT_EQ(Printable("\x9b"), "\\x9b");           // not UTF-8
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b");  // the control character U+009B
}

TEST(Human, AWordForAShellIsQuotedWhereItMustBe) {
  EXPECT_EQ(ShellWord("/usr/bin/resize"), "/usr/bin/resize");
  EXPECT_EQ(ShellWord("/opt/my tool"), "'/opt/my tool'");
  EXPECT_EQ(ShellWord("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(ShellWord(""), "''");
}

TEST(Human, CutsByColumnsNotByBytes) {
  EXPECT_EQ(DisplayWidth("żółw"), 4);
  EXPECT_EQ(CutToWidth("short", 5), "short");
  EXPECT_EQ(CutToWidth("much longer", 8), "much ...");
  EXPECT_EQ(CutToWidth("żółwżółw", 6), "żół...");
  EXPECT_EQ(CutToWidth("abcdef", 2), "..");
}

}  // namespace
}  // namespace treadle::cli
