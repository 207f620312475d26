#include "client/cli/program_args.h"

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// treadle [--broker A] submit [-q Q] [-w] PROGRAM...; treadle queue NAME
class ProgramArgs : public ::testing::Test {
 protected:
  ProgramArgs() {
    root_.add_option("--broker", broker_);
    CLI::App* submit = root_.add_subcommand("submit");
    submit->add_option("-q,--queue", queue_);
    submit->add_flag("-w,--wait", wait_);
    TakesProgram(*submit, "A program.");
    TakesProgram(*root_.add_subcommand("task")->add_subcommand("run"), "A program.");
    root_.add_subcommand("queue")->add_option("name", queue_);
  }
  SplitLine Split(const std::vector<std::string>& args) { return SplitAtProgram(root_, args); }

  CLI::App root_;
  std::string broker_;
  std::string queue_;
  bool wait_ = false;
};

TEST_F(ProgramArgs, AllAfterTheDashesIsTheProgramsOwn) {
  const SplitLine line =
      Split({"submit", "-q", "mail", "--", "wc", "-w", "--queue", "--", "[a,b]"});
  EXPECT_THAT(line.options, ElementsAre("submit", "-q", "mail"));
  EXPECT_THAT(line.program, ElementsAre("wc", "-w", "--queue", "--", "[a,b]"));
}

TEST_F(ProgramArgs, TheDashesMayBeLeftOut) {
  const SplitLine line =
      Split({"--broker", "b:1", "submit", "-w", "--queue=mail", "wc", "-w", "queue"});
  EXPECT_THAT(line.options, ElementsAre("--broker", "b:1", "submit", "-w", "--queue=mail"));
  EXPECT_THAT(line.program, ElementsAre("wc", "-w", "queue"));
}

TEST_F(ProgramArgs, AnOptionsValueIsNoProgram) {
  const SplitLine line = Split({"submit", "--broker", "submit", "-qmail", "-q", "wc"});
  EXPECT_THAT(line.options, ElementsAre("submit", "--broker", "submit", "-qmail", "-q", "wc"));
  EXPECT_THAT(line.program, IsEmpty());
}

TEST_F(ProgramArgs, CommandsWithoutAProgramKeepTheirArguments) {
  const SplitLine line = Split({"queue", "--", "wc"});
  EXPECT_THAT(line.options, ElementsAre("queue", "--", "wc"));
  EXPECT_THAT(line.program, IsEmpty());
}

TEST_F(ProgramArgs, ACommandOfAGroupTakesAProgramToo) {
  const SplitLine line = Split({"task", "--broker", "b:1", "run", "wc", "-l"});
  EXPECT_THAT(line.options, ElementsAre("task", "--broker", "b:1", "run"));
  EXPECT_THAT(line.program, ElementsAre("wc", "-l"));
}

TEST_F(ProgramArgs, EmptyWordsAreKept) {
  EXPECT_THAT(Split({"submit", "--", "echo", "", "-"}).program, ElementsAre("echo", "", "-"));
  EXPECT_THAT(Split({}).options, IsEmpty());
}

}  // namespace
}  // namespace treadle::cli
