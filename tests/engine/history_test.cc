#include "server/engine/history.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

using testing::ElementsAre;

FailedAttempt Attempt(int32_t number, const std::string& message = "") {
  FailedAttempt attempt;
  attempt.error.attempt = number;
  attempt.error.message = message;
  return attempt;
}

TEST(History, TheFirstThreeAndTheLastFiveAttemptsAreKept) {
  std::vector<FailedAttempt> history;
  for (int32_t number = 1; number <= 20; ++number) AddTo(history, Attempt(number));
  std::vector<int32_t> kept;
  for (const FailedAttempt& attempt : history) kept.push_back(attempt.error.attempt);
  EXPECT_THAT(kept, ElementsAre(1, 2, 3, 16, 17, 18, 19, 20));
}

TEST(History, TheLatestMessageIsKeptAtLengthAndThoseBeforeItAreNot) {
  std::vector<FailedAttempt> history;
  AddTo(history, Attempt(1, std::string(5'000, 'x')));
  EXPECT_EQ(history[0].error.message, std::string(1'024, 'x'));
  AddTo(history, Attempt(2, std::string(5'000, 'y')));
  EXPECT_EQ(history[0].error.message, std::string(256, 'x'));
  EXPECT_EQ(history[1].error.message, std::string(1'024, 'y'));
}

TEST(History, NoCharacterIsCutInTwo) {
  EXPECT_EQ(Cut(absl::StrCat(std::string(9, 'x'), "\xc3\xa9"), 10), std::string(9, 'x'));
  EXPECT_EQ(Cut(absl::StrCat(std::string(8, 'x'), "\xc3\xa9"), 10),
            absl::StrCat(std::string(8, 'x'), "\xc3\xa9"));
  EXPECT_EQ(Cut("short", 10), "short");
}

}  // namespace
}  // namespace treadle::engine
