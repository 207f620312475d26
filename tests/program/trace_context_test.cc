#include "proto/support/trace_context.h"

#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

namespace treadle {
namespace {

constexpr char kGiven[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TraceContext, ReadsWhatItPrints) {
  const auto trace = ParseTraceParent(kGiven);
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(trace->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(trace->span_id, 0xb7ad6b7169203331u);
  EXPECT_TRUE(trace->sampled);
  EXPECT_EQ(FormatTraceParent(*trace), kGiven);
  const std::string unsampled = absl::StrCat(std::string(kGiven, 53), "00");
  ASSERT_TRUE(ParseTraceParent(unsampled).has_value());
  EXPECT_FALSE(ParseTraceParent(unsampled)->sampled);
  EXPECT_EQ(FormatTraceParent(*ParseTraceParent(unsampled)), unsampled);
  EXPECT_EQ(SpanIdText(1), "0000000000000001");
}

TEST(TraceContext, OtherFlagsAreNotPassedOn) {
  EXPECT_TRUE(ParseTraceParent(absl::StrCat(std::string(kGiven, 53), "ff"))->sampled);
  EXPECT_FALSE(ParseTraceParent(absl::StrCat(std::string(kGiven, 53), "fe"))->sampled);
}

TEST(TraceContext, ALaterVersionIsReadAsThisOne) {
  const std::string later = absl::StrCat("cc", kGiven + 2);
  EXPECT_EQ(ParseTraceParent(later), ParseTraceParent(kGiven));
  EXPECT_EQ(ParseTraceParent(absl::StrCat(later, "-what the future brings")),
            ParseTraceParent(kGiven));
  EXPECT_FALSE(ParseTraceParent(absl::StrCat(later, "x")).has_value());
  EXPECT_FALSE(ParseTraceParent(absl::StrCat(later, ".x")).has_value());
}

TEST(TraceContext, WhatIsNotValidIsIgnored) {
  for (const char* const text : {
           "",
           "00",
           "00-a-b-01",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
           " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
       }) {
    EXPECT_FALSE(ParseTraceParent(text).has_value()) << text;
    EXPECT_EQ(AttemptTraceParent(text, "a-1", 1), "") << text;
  }
}

// Other languages compute them, too: these must come out of every version.
TEST(TraceContext, SpansHaveTheSameIdsForEver) {
  const TraceContext trace = *ParseTraceParent(kGiven);
  EXPECT_EQ(SpanIdText(TaskSpanId(trace, "cnsef1k6a7-1")), "4b316f8cc7da10e9");
  EXPECT_EQ(SpanIdText(AttemptSpanId(trace, "cnsef1k6a7-1", 1)), "a3918794d892dbca");
  EXPECT_EQ(SpanIdText(WaitSpanId(trace, "cnsef1k6a7-1", 7)), "c2187d94b0d84e70");
  EXPECT_EQ(AttemptTraceParent(kGiven, "cnsef1k6a7-1", 1),
            "00-0af7651916cd43dd8448eb211c80319c-a3918794d892dbca-01");
}

TEST(TraceContext, EachAttemptHasASpanOfItsOwn) {
  EXPECT_NE(AttemptTraceParent(kGiven, "a-1", 1), AttemptTraceParent(kGiven, "a-1", 2));
  EXPECT_NE(AttemptTraceParent(kGiven, "a-1", 1), AttemptTraceParent(kGiven, "a-2", 1));
}

}  // namespace
}  // namespace treadle
