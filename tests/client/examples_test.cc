#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/with_broker.h"

// The programs of client/examples, as a user runs them: against a broker, by their words and times.

namespace treadle {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class ExamplesTest : public test::WithBroker {
 protected:
  // What it printed. It must succeed.
  std::string Run(const std::string& program) {
    const std::string command =
        absl::StrCat(TREADLE_PROGRAMS, "/", program, " ", broker_->address(), " 2>&1");
    std::FILE* const pipe = popen(command.c_str(), "r");
    EXPECT_NE(pipe, nullptr);
    std::string output;
    std::array<char, 4'096> buffer;
    while (const size_t read = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      output.append(buffer.data(), read);
    }
    EXPECT_EQ(pclose(pipe), 0) << output;
    return output;
  }

  // The number in "...: 1.04 times as long".
  static double Ratio(const std::string& output) {
    const size_t end = output.rfind(" times as long\n");
    const size_t begin = end == std::string::npos ? end : output.rfind(": ", end);
    if (begin == std::string::npos) {
      ADD_FAILURE() << output;
      return 0;
    }
    return std::strtod(output.c_str() + begin + 2, nullptr);
  }
};

TEST_F(ExamplesTest, ThreeSleepsTogetherTakeAsLongAsOne) {
  const std::string output = Run("threading_sleep");
  for (const char* worker : {"Weft", "Warp", "Shuttle"}) EXPECT_THAT(output, HasSubstr(worker));
  EXPECT_LT(Ratio(output), 2) << output;
}

TEST_F(ExamplesTest, SquaresAreSummedOnEveryCore) {
  const std::string output = Run("multiprocessing_squares");
  // 10^7 (10^7 + 1) (2 * 10^7 + 1) / 6, modulo 2^64.
  EXPECT_THAT(output, HasSubstr("up to 10000000 (mod 2^64): 1291990006563070912\n"));
  // What else the machine does weighs more than these short runs: one of some must be undisturbed.
  double best = Ratio(output);
  for (int run = 0; run < 9 && best > 1.1; ++run) {
    best = std::min(best, Ratio(Run("multiprocessing_squares")));
  }
  EXPECT_LT(best, 1.1) << output;
}

TEST_F(ExamplesTest, UrlsAreFetchedTogether) {
  const std::string output = Run("futures_urls");
  EXPECT_THAT(output, ContainsRegex("/sports +200\n"));
  EXPECT_THAT(output, ContainsRegex("/missing +404\n"));
  EXPECT_THAT(output, ContainsRegex("/nobody +failed: UNAVAILABLE\n"));
  EXPECT_LT(Ratio(output), 3) << output;  // for five
}

TEST_F(ExamplesTest, AThousandFetchesAreAwaitedTogether) {
  const std::string output = Run("asyncio_fetches");
  EXPECT_THAT(output, HasSubstr("1000 of 1000 fetches answered 200\n"));
  EXPECT_LT(Ratio(output), 250) << output;
}

TEST_F(ExamplesTest, ProducerAndConsumersMeetInAQueue) {
  const std::string output = Run("queue_producer_consumer");
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(output, HasSubstr("finished item " + std::to_string(i) + "\n"));
  }
  EXPECT_LT(Ratio(output), 1) << output;  // with two
}

}  // namespace
}  // namespace treadle
