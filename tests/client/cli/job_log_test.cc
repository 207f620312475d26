#include "client/cli/map/job_log.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// The first line; of parallel's own without a run.
std::string Head(const std::string& run = "") {
  return absl::StrCat("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand",
                      run.empty() ? "" : "\trun=", run, "\n");
}

class JobLogTest : public ::testing::Test {
 protected:
  JobLogTest() { std::filesystem::remove(path_); }
  ~JobLogTest() override { std::filesystem::remove(path_); }

  std::string Text() const {
    std::stringstream text;
    text << std::ifstream(path_, std::ios::binary).rdbuf();
    return text.str();
  }
  void Put(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }
  std::shared_ptr<JobLog> GoOn(const std::string& run = "") const {
    return JobLog::Open(path_, /*go_on=*/true, run).value();
  }

  const std::string path_ = ::testing::TempDir() + "/" +
                            ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                            ".log";
};

std::string LineOf(int number, int exit_code, int signal) {
  return absl::StrCat(number, "\t:\t1.000\t     0.001\t0\t0\t", exit_code, "\t", signal, "\techo ",
                      number, "\n");
}

TEST_F(JobLogTest, ALineHasParallelsColumns) {
  const auto log = JobLog::Open(path_, /*go_on=*/false, "nightly").value();
  log->Add({.number = 3,
            .host = "loom",
            .started_at_ms = 1'700'000'000'007,
            .took_ms = 1'234,
            .sent_bytes = 5,
            .received_bytes = 6,
            .exit_code = 2,
            .command = "echo 'two\nlines'"});
  ASSERT_TRUE(log->Close().ok());
  const std::string nul(1, '\0');
  EXPECT_EQ(Text(), Head("nightly") + "3\tloom\t1700000000.007\t     1.234\t5\t6\t2\t0\techo 'two" +
                        nul + "lines'\n");
}

TEST_F(JobLogTest, TheLastLineOfAnItemSaysWhatBecameOfIt) {
  Put(Head("r") + LineOf(1, 0, 0) + LineOf(2, 1, 0) + LineOf(3, -1, 0) + LineOf(4, 0, 9) +
      LineOf(5, 1, 0) + LineOf(5, 0, 0));
  const auto log = GoOn();
  EXPECT_EQ(log->run(), "r");
  const auto past = [&](int64_t number, int64_t lines, bool ended, bool failed) {
    const JobLog::Past is = log->PastOf(number);
    return is.lines == lines && is.ended == ended && is.failed == failed;
  };
  EXPECT_TRUE(past(1, 1, true, false));
  EXPECT_TRUE(past(2, 1, true, true));
  EXPECT_TRUE(past(3, 1, false, false)) << "cancelled: not run";
  EXPECT_TRUE(past(4, 1, true, true));
  EXPECT_TRUE(past(5, 2, true, false));
  EXPECT_TRUE(past(6, 0, false, false));
}

// Killed in the middle of a line: what is appended must not become a part of it.
TEST_F(JobLogTest, ALineThatWasCutCountsForNothingAndTakesNothingWithIt) {
  Put(Head("r") + LineOf(1, 0, 0) + "2");
  const auto log = GoOn();
  EXPECT_FALSE(log->PastOf(2).ended);
  log->Add({.number = 3, .command = "echo 3"});
  ASSERT_TRUE(log->Close().ok());
  const auto again = GoOn();
  EXPECT_TRUE(again->PastOf(3).ended);
  EXPECT_FALSE(again->PastOf(23).ended);
  EXPECT_TRUE(again->PastOf(1).ended);
}

TEST_F(JobLogTest, ToGoOnWithNothingIsToBegin) {
  for (const bool there : {false, true}) {
    if (there) Put("");
    const std::string run = GoOn()->run();
    EXPECT_THAT(run, MatchesRegex("[0-9a-f]{16}"));
    EXPECT_EQ(Text(), Head(run));
    std::filesystem::remove(path_);
  }
}

TEST_F(JobLogTest, OnlyItsOwnRunGoesOn) {
  const auto refused = [&](const std::string& run) {
    const auto log = JobLog::Open(path_, /*go_on=*/true, run);
    EXPECT_EQ(log.status().code(), absl::StatusCode::kFailedPrecondition);
    return std::string(log.status().message());
  };
  Put("a shopping list\n");
  EXPECT_THAT(refused(""), HasSubstr("is no job log"));
  Put(Head() + LineOf(1, 0, 0));
  EXPECT_THAT(refused(""), HasSubstr("not treadle map that wrote it"));
  Put(Head("r") + LineOf(1, 0, 0));
  EXPECT_THAT(refused("s"), HasSubstr("of the run 'r', not of 's'"));
  EXPECT_EQ(GoOn("r")->run(), "r");
  EXPECT_THAT(Text(), HasSubstr("echo 1")) << "nothing was overwritten";
}

}  // namespace
}  // namespace treadle::cli
