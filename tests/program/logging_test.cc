#include "proto/program/logging.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

namespace treadle::program {
namespace {

TEST(Logging, JsonLinesAreJsonWhateverTheMessage) {
  const std::string nasty = "quote \" backslash \\ newline \n escape \x1B bad \xFF good \xC3\xA4";
  ::testing::internal::CaptureStderr();
  {
    LogOptions options;
    options.format = "json";
    Logging logging(options);
    spdlog::info("{}", nasty);
    spdlog::debug("not shown");
  }
  const std::string written = ::testing::internal::GetCapturedStderr();
  ASSERT_EQ(std::count(written.begin(), written.end(), '\n'), 1) << written;
  const auto line = nlohmann::json::parse(written);
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["message"],
            "quote \" backslash \\ newline \n escape \x1B bad \xEF\xBF\xBD good \xC3\xA4");
  EXPECT_THAT(std::string(line["time"]), ::testing::MatchesRegex("....-..-..T..:..:..\\....Z"));
}

TEST(Logging, TextLinesAreForPeople) {
  ::testing::internal::CaptureStderr();
  {
    Logging logging(LogOptions{});
    spdlog::warn("disk is {} % full", 91);
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::HasSubstr(" W disk is 91 % full\n"));
}

}  // namespace
}  // namespace treadle::program
