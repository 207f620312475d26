#include "server/trace/span_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "nlohmann/json.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/trace/otlp.h"

namespace treadle::trace {
namespace {

using Json = nlohmann::json;
using broker::Span;

Span SomeSpan(Span::Kind kind) {
  return {.kind = kind,
          .traced = std::make_shared<const broker::Traced>(
              broker::Traced{.parent = *ParseTraceParent("00-0af7651916cd43dd8448eb211c80319c-"
                                                         "b7ad6b7169203331-01"),
                             .state = "v=1",
                             .queue = std::make_shared<const std::string>("mail"),
                             .type = std::make_shared<const std::string>("se\"nd\n")}),
          .task = {1, 1},
          .begin_ms = 1'700'000'000'123,
          .end_ms = 1'700'000'000'456,
          .attempt = 2,
          .worker = std::make_shared<const std::string>("w\xff"),
          .outcome = engine::TaskState::kFailed,
          .error_type = "Oops",
          .error_message = "no"};
}

Json SpansOf(const std::string& line) {
  return Json::parse(line).at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans");
}

std::string Attribute(const Json& span, const std::string& key) {
  for (const Json& attribute : span.at("attributes")) {
    if (attribute.at("key") == key) return attribute.at("value").begin().value();
  }
  return "none";
}

TEST(OtlpLine, FollowsTheMapping) {
  const std::vector<Span> spans = {SomeSpan(Span::Kind::kTask), SomeSpan(Span::Kind::kAttempt),
                                   SomeSpan(Span::Kind::kWait)};
  const std::string line = OtlpLine(spans, "1.2.3");
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const Json json = SpansOf(line);
  ASSERT_EQ(json.size(), 3u);
  const TraceContext& trace = spans[0].traced->parent;
  EXPECT_EQ(json[0].at("parentSpanId"), "b7ad6b7169203331");
  EXPECT_EQ(json[0].at("spanId"), SpanIdText(TaskSpanId(trace, "1-1")));
  EXPECT_EQ(json[1].at("spanId"), SpanIdText(AttemptSpanId(trace, "1-1", 2)));
  EXPECT_EQ(json[2].at("spanId"), SpanIdText(WaitSpanId(trace, "1-1", 0)));
  for (const Json& span : json) {
    EXPECT_EQ(span.at("traceId"), "0af7651916cd43dd8448eb211c80319c");
    EXPECT_EQ(span.at("traceState"), "v=1");
    EXPECT_EQ(span.at("startTimeUnixNano"), "1700000000123000000");
    EXPECT_EQ(span.at("endTimeUnixNano"), "1700000000456000000");
    EXPECT_EQ(Attribute(span, "messaging.system"), "treadle");
    EXPECT_EQ(Attribute(span, "messaging.destination.name"), "mail");
    EXPECT_EQ(Attribute(span, "messaging.message.id"), "1-1");
    EXPECT_EQ(Attribute(span, "treadle.task.type"), "se\"nd\n");
  }
  EXPECT_EQ(json[1].at("parentSpanId"), json[0].at("spanId"));
  EXPECT_EQ(json[2].at("parentSpanId"), json[0].at("spanId"));
  EXPECT_EQ(json[1].at("kind"), 5);
  EXPECT_EQ(json[1].at("status"), Json({{"code", 2}, {"message", "no"}}));
  EXPECT_EQ(Attribute(json[1], "treadle.attempt"), "2");
  EXPECT_EQ(Attribute(json[1], "treadle.worker"), "w\xef\xbf\xbd");
  EXPECT_EQ(Attribute(json[1], "treadle.outcome"), "failed");
  EXPECT_EQ(Attribute(json[1], "error.type"), "Oops");
  EXPECT_EQ(Attribute(json[2], "treadle.outcome"), "none");
}

class SpanFileTest : public testing::Test {
 protected:
  SpanFileTest() : folder_(testing::TempDir() + "treadle_span_file_XXXXXX") {
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    options_.path = folder_ + "/spans.jsonl";
  }
  ~SpanFileTest() override { std::filesystem::remove_all(folder_); }

  static size_t SpansIn(const std::string& path) {
    std::ifstream file(path);
    size_t spans = 0;
    for (std::string line; std::getline(file, line);) spans += SpansOf(line).size();
    return spans;
  }

  std::string folder_;
  SpanFileOptions options_;
};

TEST_F(SpanFileTest, WritesAllBeforeItEndsAndGoesOnInTheSameFile) {
  for (size_t life = 1; life <= 2; ++life) {
    {
      const auto file = SpanFile::Open(options_);
      ASSERT_TRUE(file.ok()) << file.status();
      for (int i = 0; i < 700; ++i) (*file)->Add(SomeSpan(Span::Kind::kTask));
    }
    EXPECT_EQ(SpansIn(options_.path), life * 700);
  }
}

TEST_F(SpanFileTest, KeepsOneOlderFile) {
  options_.bytes_max = 20'000;
  const auto file = SpanFile::Open(options_);
  ASSERT_TRUE(file.ok()) << file.status();
  for (int64_t i = 1; i <= 100; ++i) {
    (*file)->Add(SomeSpan(Span::Kind::kTask));
    while ((*file)->Figures().written < i) std::this_thread::yield();
  }
  EXPECT_LE(std::filesystem::file_size(options_.path), 20'000u);
  EXPECT_LE(std::filesystem::file_size(options_.path + ".1"), 20'000u);
  EXPECT_GT(SpansIn(options_.path + ".1"), 10u);
  EXPECT_FALSE(std::filesystem::exists(options_.path + ".2"));
}

TEST_F(SpanFileTest, WhatTheFileDoesNotTakeIsCountedAndTold) {
  std::vector<std::string> news;
  options_.path = "/dev/full";
  options_.tell = [&news](const std::string& line) { news.push_back(line); };
  {
    const auto file = SpanFile::Open(options_);
    ASSERT_TRUE(file.ok()) << file.status();
    for (int64_t i = 1; i <= 3; ++i) {
      (*file)->Add(SomeSpan(Span::Kind::kTask));
      while ((*file)->Figures().dropped < i) std::this_thread::yield();
    }
    EXPECT_EQ((*file)->Figures().written, 0);
  }
  EXPECT_THAT(news, testing::ElementsAre(testing::HasSubstr("No space left on device")));
}

TEST_F(SpanFileTest, WhatComesFasterThanItIsWrittenIsDropped) {
  options_.spans_max = 1;
  const auto file = SpanFile::Open(options_);
  ASSERT_TRUE(file.ok()) << file.status();
  constexpr int64_t kSpans = 20'000;
  for (int64_t i = 0; i < kSpans; ++i) (*file)->Add(SomeSpan(Span::Kind::kTask));
  while ((*file)->Figures().written + (*file)->Figures().dropped < kSpans) {
    std::this_thread::yield();
  }
  EXPECT_GT((*file)->Figures().dropped, 0);
}

TEST_F(SpanFileTest, SaysWhyItCannotBeOpened) {
  options_.path = folder_ + "/missing/spans";
  EXPECT_THAT(std::string(SpanFile::Open(options_).status().message()),
              testing::HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace treadle::trace
