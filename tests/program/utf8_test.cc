#include "proto/support/utf8.h"

#include <gtest/gtest.h>

namespace treadle {
namespace {

TEST(Utf8, KnowsWhatIsText) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(
      IsUtf8("a long enough piece of ASCII, then \xC3\xA4, \xE2\x82\xAC, \xF0\x9F\x98\x80"));
  for (const char* bad : {"\xFF", "\x80", "a\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "12345678\xC3(", "\xE2\x82"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

TEST(Utf8, ControlCharactersAreNotPrintable) {
  EXPECT_TRUE(
      IsPrintableUtf8("gr\xC3\xB6\xC3\x9F"
                      "e 1"));
  EXPECT_TRUE(IsPrintableUtf8("\xC2\xA0"));
  for (const char* bad : {"a\nb", "\x7F", "\xC2\x85", "\x1B[1m"}) {
    EXPECT_FALSE(IsPrintableUtf8(bad)) << bad;
  }
  EXPECT_FALSE(IsPrintableUtf8(std::string_view("a\0b", 3)));
}

TEST(Utf8, CutsLongTextInTheMiddleBetweenCharacters) {
  EXPECT_EQ(CutMiddle("short", 10), "short");
  EXPECT_EQ(CutMiddle("a\xFF", 10), "a\xEF\xBF\xBD");
  std::string euros;
  for (int i = 0; i < 100; ++i) euros += "\xE2\x82\xAC";
  for (size_t max : {20, 21, 22, 23, 24, 299}) {
    const std::string cut = CutMiddle(euros, max);
    EXPECT_LE(cut.size(), max);
    EXPECT_TRUE(IsUtf8(cut));
    EXPECT_NE(cut.find(" [...] "), std::string::npos);
  }
}

}  // namespace
}  // namespace treadle
