#include "client/cli/console/progress.h"

#include "client/cli/console/human.h"
#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

TEST(ProgressLine, HasABarARateAndWhatIsLeft) {
  EXPECT_EQ(
      ProgressLine({.done = 400, .total = 1000, .total_is_final = true, .elapsed_ms = 2'000}, 100),
      "[############------------------]   400/1000   40%  200/s  ETA 3.0s");
}

TEST(ProgressLine, CountsFailures) {
  EXPECT_EQ(
      ProgressLine(
          {.done = 1, .failed = 1, .total = 2, .total_is_final = true, .elapsed_ms = 1'000}, 100),
      "[###############---------------]  1/2   50%  1.0/s  1 failed  ETA 1.0s");
}

TEST(ProgressLine, WithoutAKnownTotalThereIsNoBar) {
  EXPECT_EQ(ProgressLine({.done = 7, .total = 9, .elapsed_ms = 1'000}, 100), " 7/9+  7.0/s");
}

TEST(ProgressLine, AtTheEndItTellsHowLongItTook) {
  EXPECT_EQ(ProgressLine({.done = 10, .total = 10, .total_is_final = true, .elapsed_ms = 500}, 100),
            "[##############################]  10/10  100%  20/s  in 500ms");
}

TEST(ProgressLine, NeverFillsTheLastColumn) {
  for (int width = 1; width < 120; width++) {
    const std::string line = ProgressLine({.done = 123'456,
                                           .failed = 77,
                                           .total = 1'000'000,
                                           .total_is_final = true,
                                           .elapsed_ms = 100'000},
                                          width);
    EXPECT_LT(DisplayWidth(line), width) << line;
  }
}

TEST(ProgressLine, NothingDoneYetIsNoDivisionByZero) {
  EXPECT_EQ(ProgressLine({.total = 0, .total_is_final = true}, 80).find("nan"), std::string::npos);
  EXPECT_EQ(ProgressLine({.total = 5, .total_is_final = true}, 80),
            "[------------------------------]  0/5    0%");
}

}  // namespace
}  // namespace treadle::cli
