#include "client/cli/command_line.h"

#include <sstream>
#include <stdlib.h>

#include "client/cli/exit_code.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What a command does that never reaches a broker.
struct Ran {
  int exit_code;
  std::string out;
  std::string err;
};

Ran Treadle(const std::vector<std::string>& args, const std::string& input = "") {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  Terminal terminal{in, out, err};
  Interrupt interrupt;
  const int exit_code = RunCommandLine(args, terminal, interrupt);
  return {exit_code, out.str(), err.str()};
}

TEST(CommandLine, AWrongAddressInTheEnvironmentIsNamed) {
  for (const auto& [broker, says] : std::vector<std::pair<std::string, std::string>>{
           {"", "TREADLE_BROKER: the address is empty"},
           {"http://127.0.0.1:7733", "TREADLE_BROKER: 'http://127.0.0.1:7733' is a URL"},
           {"127.0.0.1", "TREADLE_BROKER: '127.0.0.1'"}}) {
    ::setenv("TREADLE_BROKER", broker.c_str(), /*overwrite=*/1);
    const Ran ran = Treadle({"server", "info"});
    EXPECT_EQ(ran.exit_code, static_cast<int>(ExitCode::kUsage)) << broker;
    EXPECT_THAT(ran.err, HasSubstr(says));
    // What the command line says wins.
    EXPECT_THAT(Treadle({"server", "info", "--broker=nowhere"}).err, HasSubstr("'nowhere'"));
    EXPECT_EQ(Treadle({"server", "info", "--help"}).exit_code, 0);
  }
  ::unsetenv("TREADLE_BROKER");
}

TEST(CommandLine, EveryCommandHasHelpWithAnExample) {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"submit"},          {"result"},          {"map"},
           {"task", "submit"},  {"task", "result"},  {"task", "wait"},
           {"task", "watch"},   {"task", "show"},    {"task", "cancel"},
           {"task", "list"},    {"queue", "create"}, {"queue", "list"},
           {"queue", "show"},   {"queue", "update"}, {"queue", "pause"},
           {"queue", "resume"}, {"queue", "close"},  {"queue", "reopen"},
           {"queue", "purge"},  {"queue", "delete"}, {"worker", "list"},
           {"worker", "show"},  {"server", "show"},  {"server", "wait"}}) {
    std::vector<std::string> args = command;
    args.push_back("--help");
    const Ran ran = Treadle(args);
    EXPECT_EQ(ran.exit_code, 0) << command[0];
    EXPECT_THAT(ran.out, HasSubstr("Example")) << command[0];
    EXPECT_THAT(ran.out, HasSubstr("treadle " + command[0])) << command[0];
    EXPECT_THAT(ran.err, IsEmpty());
  }
}

TEST(CommandLine, TheHelpListsExitCodes) {
  const Ran ran = Treadle({"--help"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_THAT(ran.out, HasSubstr("Exit codes:"));
  EXPECT_THAT(ran.out, HasSubstr("TREADLE_BROKER"));
}

TEST(CommandLine, WrongUseNamesTheHelpOfItsCommand) {
  const Ran ran = Treadle({"queue", "create", "mail", "--discipline", "random"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, HasSubstr("'random' is not one of fifo, lifo, priority"));
  EXPECT_THAT(ran.err, HasSubstr("See treadle queue create --help."));
  EXPECT_EQ(Treadle({}).exit_code, 2);
  EXPECT_EQ(Treadle({"frobnicate"}).exit_code, 2);
  EXPECT_EQ(Treadle({"result"}).exit_code, 2);
  EXPECT_EQ(Treadle({"task", "list", "--limit", "-1"}).exit_code, 2);
  EXPECT_EQ(Treadle({"submit", "--delay", "-5s", "--", "x"}).exit_code, 2);
}

TEST(CommandLine, SubmitWantsAProgramOrAType) {
  EXPECT_THAT(Treadle({"submit"}).err, HasSubstr("give a program after --, or --type"));
  EXPECT_EQ(Treadle({"submit"}).exit_code, 2);
  EXPECT_EQ(Treadle({"submit", "--type", "t", "--", "wc"}).exit_code, 2);
  EXPECT_EQ(Treadle({"submit", "--type", "t", "--stdin", "-"}).exit_code, 2);
  EXPECT_EQ(Treadle({"map", ":::", "a"}).exit_code, 2);
  EXPECT_EQ(Treadle({"map", "--type", "t", "--", "wc", ":::", "a"}).exit_code, 2);
  EXPECT_EQ(Treadle({"map", "-a", "items", "--", "wc", ":::", "a"}).exit_code, 2);
}

TEST(CommandLine, OptionsThatExcludeEachOtherAreRefused) {
  const Ran ran =
      Treadle({"submit", "--delay", "5s", "--run-at", "2030-01-01T00:00:00Z", "--type", "t"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_EQ(ran.err, "treadle: --delay and --run-at exclude each other: give one\n");
  EXPECT_EQ(Treadle({"submit", "--header", "novalue", "--type", "t"}).exit_code, 2);
  EXPECT_EQ(Treadle({"submit", "--run-at", "soon", "--type", "t"}).exit_code, 2);
}

TEST(CommandLine, AMissingFileIsToldBeforeTheBrokerIsAsked) {
  const Ran ran = Treadle({"submit", "--stdin", "/nowhere", "--", "/usr/bin/wc"});
  EXPECT_EQ(ran.exit_code, 7);
  EXPECT_EQ(ran.err, "treadle: cannot read '/nowhere': No such file or directory\n");
  EXPECT_EQ(Treadle({"submit", "--type", "t", "--payload", "@/"}).err,
            "treadle: cannot read '/': it is a folder\n");
}

TEST(CommandLine, WithoutABrokerItSaysWhatToDo) {
  // Port 1 is nobody's.
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"queue", "list"},
                                             {"server", "info"},
                                             {"result", "1-1"},
                                             {"submit", "--type", "t"},
                                             {"map", "--type", "t", ":::", "a"}}) {
    std::vector<std::string> args = {"--broker", "127.0.0.1:1", "--connect-timeout", "100ms"};
    args.insert(args.end(), command.begin(), command.end());
    const Ran ran = Treadle(args);
    EXPECT_EQ(ran.exit_code, 4) << command[0];
    EXPECT_THAT(ran.err, HasSubstr("no broker answers at 127.0.0.1:1: start treadle-server"));
    EXPECT_THAT(ran.err, HasSubstr("TREADLE_BROKER"));
    EXPECT_THAT(ran.out, IsEmpty());
  }
}

TEST(CommandLine, ArgumentsThatAreNotTextAreRefused) {
  const Ran ran = Treadle({"submit", "--", "/bin/echo", "\xff"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.err, HasSubstr("UTF-8"));
}

TEST(CommandLine, AnOutputThatACommandDoesNotHaveIsRefused) {
  const Ran ran = Treadle({"task", "watch", "3f-1", "-o", "name"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_EQ(ran.err,
            "treadle: --output name: treadle task watch prints changes of one task: use table, "
            "wide, json, jsonl, csv, quiet\n");
  EXPECT_THAT(Treadle({"queue", "list", "-o", "xml"}).err, HasSubstr("'xml' is not one of table"));
}

TEST(CommandLine, WhatCancelsManyWantsToKnowWhich) {
  EXPECT_THAT(Treadle({"task", "cancel"}).err, HasSubstr("give ids, or a filter"));
  EXPECT_EQ(Treadle({"task", "cancel", "3f-1", "--queue", "q"}).exit_code, 2);
  EXPECT_THAT(Treadle({"task", "cancel", "--state", "failed"}).err,
              HasSubstr("what has ended cannot be cancelled"));
  EXPECT_THAT(Treadle({"queue", "purge", "q", "--state", "running"}).err,
              HasSubstr("purge leaves what runs"));
}

TEST(ExitCodes, StandForTheBrokersStatus) {
  EXPECT_EQ(ExitCodeFor(absl::InvalidArgumentError("")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeFor(absl::NotFoundError("")), ExitCode::kNotFound);
  EXPECT_EQ(ExitCodeFor(absl::UnavailableError("")), ExitCode::kUnreachable);
  EXPECT_EQ(ExitCodeFor(absl::DeadlineExceededError("")), ExitCode::kTimeout);
  EXPECT_EQ(ExitCodeFor(absl::ResourceExhaustedError("")), ExitCode::kRefused);
  EXPECT_EQ(ExitCodeFor(absl::AlreadyExistsError("")), ExitCode::kRefused);
  EXPECT_EQ(ExitCodeFor(absl::InternalError("")), ExitCode::kOther);
}

}  // namespace
}  // namespace treadle::cli
