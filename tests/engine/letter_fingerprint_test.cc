#include "server/engine/letter_fingerprint.h"

#include <string>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

namespace treadle::engine {
namespace {

uint64_t Of(const std::string& message, const std::string& error_type = "IOError",
            const std::string& task_type = "resize") {
  TaskError error;
  error.type = error_type;
  error.message = message;
  return FingerprintOf(task_type, error);
}

TEST(LetterFingerprint, IsTheSameForMessagesThatDifferInWordsWithDigits) {
  EXPECT_EQ(Of("user 17 not found in db-3.local"), Of("user 18 not found in db-4.local"));
  EXPECT_EQ(Of("connect 10.0.0.5:5432: refused"), Of("connect 10.0.0.77:80: refused"));
  EXPECT_EQ(Of("object 0f3a2 is gone"), Of("object 9 is gone"));
}

TEST(LetterFingerprint, DiffersByWordsByErrorAndByTask) {
  EXPECT_NE(Of("disk full"), Of("disk gone"));
  EXPECT_NE(Of("disk full"), Of("disk full", "OSError"));
  EXPECT_NE(Of("disk full"), Of("disk full", "IOError", "crop"));
  EXPECT_NE(Of("17 of them"), Of("of them"));
}

TEST(LetterFingerprint, LooksAtTheFirstLineAndNotFarIntoIt) {
  EXPECT_EQ(Of("no such file\n  at line 3 of a.py"), Of("no such file\n  at line 9 of b.py"));
  const std::string long_text(256, 'x');
  EXPECT_EQ(Of(absl::StrCat(long_text, " ends like this")), Of(absl::StrCat(long_text, " or so")));
  // How long the numbers are does not move what follows them out of sight.
  const std::string most(250, 'y');
  EXPECT_EQ(Of(absl::StrCat("1 ", most, " tail one")),
            Of(absl::StrCat("123456789 ", most, " tail two")));
}

// Groups are stored by it.
TEST(LetterFingerprint, IsTheSameInEveryBuild) {
  EXPECT_EQ(Of("user 17 not found"), 16438748562467939181u);
  EXPECT_EQ(Of("", "", ""), 1013156082159639485u);
}

}  // namespace
}  // namespace treadle::engine
