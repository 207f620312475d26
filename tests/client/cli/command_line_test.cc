#include "client/cli/command_line.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdlib.h>
#include <unistd.h>

#include "absl/strings/str_replace.h"
#include "client/cli/exit_code.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/search/field.h"

namespace treadle::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

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
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"submit"},
                                             {"result"},
                                             {"map"},
                                             {"task", "submit"},
                                             {"task", "result"},
                                             {"task", "wait"},
                                             {"task", "watch"},
                                             {"task", "follow"},
                                             {"task", "show"},
                                             {"task", "cancel"},
                                             {"task", "list"},
                                             {"queue", "create"},
                                             {"queue", "list"},
                                             {"queue", "show"},
                                             {"queue", "update"},
                                             {"queue", "pause"},
                                             {"queue", "resume"},
                                             {"queue", "close"},
                                             {"queue", "reopen"},
                                             {"queue", "purge"},
                                             {"queue", "delete"},
                                             {"dead", "groups"},
                                             {"dead", "list"},
                                             {"dead", "show"},
                                             {"dead", "payload"},
                                             {"dead", "redrive"},
                                             {"dead", "delete"},
                                             {"job", "list"},
                                             {"job", "show"},
                                             {"job", "wait"},
                                             {"job", "cancel"},
                                             {"worker", "list"},
                                             {"worker", "show"},
                                             {"worker", "drain"},
                                             {"worker", "drains"},
                                             {"worker", "undrain"},
                                             {"worker", "release"},
                                             {"server", "actions"},
                                             {"server", "show"},
                                             {"server", "wait"},
                                             {"top"},
                                             {"context", "list"},
                                             {"context", "show"},
                                             {"context", "set"},
                                             {"context", "use"},
                                             {"context", "delete"},
                                             {"completion"}}) {
    std::vector<std::string> args = command;
    args.push_back("--help");
    const Ran ran = Treadle(args);
    EXPECT_EQ(ran.exit_code, 0) << command[0];
    EXPECT_THAT(ran.out, HasSubstr("Example")) << command[0];
    EXPECT_THAT(ran.out, HasSubstr("treadle " + command[0])) << command[0];
    EXPECT_THAT(ran.err, IsEmpty());
  }
}

TEST(CommandLine, AShortFormAndItsLongOneNameEachOther) {
  const auto help = [](std::vector<std::string> words) {
    words.emplace_back("--help");
    return absl::StrReplaceAll(Treadle(words).out, {{"\n", " "}});
  };
  for (const std::string name : {"submit", "result"}) {
    EXPECT_THAT(help({name}), HasSubstr("It is short for treadle task " + name + "."));
    EXPECT_THAT(help({"task", name}), AllOf(HasSubstr("Its short form is treadle " + name + "."),
                                            Not(HasSubstr("It is short for"))));
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

TEST(CommandLine, AMapsProgramIsCheckedBeforeItsItems) {
  const Ran ran = Treadle({"map", "--", "wc", ":::", "a", "b"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_EQ(ran.err,
            "treadle: program 'wc': write the absolute path under which workers allow it, as in "
            "/usr/bin/wc\n");
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
  for (const char* form : {"csv", "name", "wide"}) {
    const Ran map = Treadle({"map", "-o", form, "--", "/bin/true", ":::", "a"});
    EXPECT_EQ(map.exit_code, 2);
    EXPECT_THAT(map.err, HasSubstr("use table, json, jsonl, quiet\n"));
  }
}

TEST(CommandLine, WhatCancelsManyWantsToKnowWhich) {
  EXPECT_THAT(Treadle({"task", "cancel"}).err, HasSubstr("give ids, or a filter"));
  EXPECT_EQ(Treadle({"task", "cancel", "3f-1", "--queue", "q"}).exit_code, 2);
  EXPECT_THAT(Treadle({"task", "cancel", "--state", "failed"}).err,
              HasSubstr("what has ended cannot be cancelled"));
  EXPECT_THAT(Treadle({"queue", "purge", "q", "--state", "running"}).err,
              HasSubstr("purge leaves what runs"));
}

// Contexts in a folder of their own.
class ContextCommands : public ::testing::Test {
 protected:
  ContextCommands() {
    ::setenv("XDG_CONFIG_HOME", folder_.c_str(), /*overwrite=*/1);
    ::unsetenv("TREADLE_BROKER");
  }
  ~ContextCommands() override {
    ::unsetenv("XDG_CONFIG_HOME");
    ::unsetenv("TREADLE_BROKER");
    std::filesystem::remove_all(folder_);
  }
  // Nobody is there: the error names whom it asked.
  static std::string Asked(std::vector<std::string> args = {}) {
    args.insert(args.end(), {"server", "show", "--connect-timeout", "0"});
    return Treadle(args).err;
  }

  const std::string folder_ =
      ::testing::TempDir() + "/treadle-contexts-" + std::to_string(::getpid());
};

TEST_F(ContextCommands, FlagsWinOverTheEnvironmentAndThatOverTheContextInUse) {
  EXPECT_THAT(Treadle({"context", "list"}).err, HasSubstr("no contexts yet"));
  EXPECT_EQ(Treadle({"context", "set", "near", "--broker", "127.0.0.1:1"}).exit_code, 0);
  EXPECT_EQ(Treadle({"context", "set", "far", "--broker=127.0.0.1:2"}).exit_code, 0);
  EXPECT_EQ(Treadle({"context", "use", "near"}).exit_code, 0);
  EXPECT_EQ(Treadle({"context", "list"}).out,
            "CURRENT  NAME  BROKER\n         far   127.0.0.1:2\n*        near  127.0.0.1:1\n");
  EXPECT_EQ(Treadle({"context", "show", "-o", "csv"}).out,
            "name,broker,http_proxy,current\nnear,127.0.0.1:1,false,true\n");
  EXPECT_THAT(Asked(), HasSubstr("answers at 127.0.0.1:1"));
  ::setenv("TREADLE_BROKER", "127.0.0.1:3", 1);
  EXPECT_THAT(Asked(), HasSubstr("answers at 127.0.0.1:3"));
  EXPECT_THAT(Asked({"--context", "far"}), HasSubstr("answers at 127.0.0.1:2"));
  EXPECT_THAT(Asked({"--context", "far", "--broker", "127.0.0.1:4"}),
              HasSubstr("answers at 127.0.0.1:4"));
  EXPECT_THAT(Asked({"--context", "mars"}), HasSubstr("no context 'mars': there are far, near"));
  EXPECT_EQ(Treadle({"context", "delete", "near"}).exit_code, 0);
  EXPECT_EQ(Treadle({"context", "show"}).exit_code, 3);
  EXPECT_EQ(Treadle({"context", "use", "near"}).exit_code, 3);
  EXPECT_EQ(Treadle({"context", "set", "x"}).exit_code, 2);
}

TEST_F(ContextCommands, ABrokenFileIsNamed) {
  std::filesystem::create_directories(folder_ + "/treadle");
  const std::string path = folder_ + "/treadle/contexts.json";
  for (const char* const text :
       {"", "{", "[]", "{\"contexts\":{\"a\":{}}}", "{\"contexts\":{\"a\":{\"broker\":\"x\"}}}"}) {
    std::ofstream(path) << text;
    const std::string err = Asked();
    EXPECT_THAT(err, HasSubstr(path)) << text;
    EXPECT_THAT(err, HasSubstr("mend it, or remove it")) << text;
    EXPECT_THAT(Asked({"--broker", "127.0.0.1:1"}), HasSubstr("answers at")) << text;
  }
}

TEST_F(ContextCommands, CompletionComesFromTheCommandsThemselves) {
  const auto complete = [](std::vector<std::string> words) {
    words.insert(words.begin(), "__complete");
    return Treadle(words).out;
  };
  EXPECT_THAT(complete({""}), HasSubstr("queue\tMakes, shows and manages queues."));
  EXPECT_EQ(complete({"queue", "pu"}).rfind("purge\t", 0), 0);
  EXPECT_EQ(complete({"task", "sho"}).rfind("show\t", 0), 0);
  EXPECT_EQ(complete({"task", "list", "-o", "js"}), "json\njsonl\n");
  EXPECT_EQ(complete({"task", "list", "--output=js"}), "--output=json\n--output=jsonl\n");
  EXPECT_THAT(complete({"task", "list", "--st"}), HasSubstr("--state\tOnly those in this state"));
  EXPECT_EQ(complete({"task", "list", "--state", "q"}), "queued\n");
  EXPECT_THAT(complete({"task", "list", "sta"}), HasSubstr("state:\tits state; "));
  EXPECT_THAT(complete({"task", "list", "-sta"}), HasSubstr("-state:\tits state; "));
  EXPECT_EQ(complete({"task", "list", "type:x", "state:failed,ex"}), "state:failed,expired\n");
  EXPECT_EQ(complete({"task", "cancel", "--filter", "dead:"}), "dead:yes\ndead:no\n");
  EXPECT_EQ(complete({"dead", "list", "mail", "sort:a"}), "sort:age\tthe oldest first\n");
  EXPECT_EQ(complete({"completion", ""}), "bash\nzsh\nfish\n");
  EXPECT_EQ(complete({"submit", "--", "/bin/s"}), ":files\n");
  EXPECT_EQ(complete({"submit", "--stdin", ""}), ":files\n");
  EXPECT_THAT(complete({"__"}), IsEmpty());
  Treadle({"context", "set", "prod", "--broker", "127.0.0.1:1"});
  EXPECT_EQ(complete({"--context", "p"}), "prod\t127.0.0.1:1\n");
  EXPECT_EQ(complete({"context", "use", ""}), "prod\t127.0.0.1:1\n");
  // Nobody answers: no names, and no words about it.
  const Ran ran = Treadle({"__complete", "--context", "prod", "queue", "show", ""});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_THAT(ran.out + ran.err, IsEmpty());
}

TEST(CommandLine, HelpHasEveryWordOfAFilter) {
  const std::string help = Treadle({"task", "list", "--help"}).out;
  for (const search::FieldInfo& info : search::AllFields()) {
    EXPECT_THAT(help, HasSubstr("\n  " + std::string(info.example) + "\n"));
  }
}

TEST(CommandLine, AMistakeInAFilterIsToldBeforeAnybodyIsAsked) {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"task", "list", "queue:mail", "stat:failed"},
           {"task", "cancel", "--filter", "queue:mail stat:failed"},
           {"queue", "purge", "mail", "--filter", "queue:mail stat:failed"}}) {
    std::vector<std::string> args = {"--broker", "127.0.0.1:1"};
    args.insert(args.end(), command.begin(), command.end());
    const Ran ran = Treadle(args);
    EXPECT_EQ(ran.exit_code, 2) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("filter: character 12: unknown field 'stat': did you mean "
                                   "'state'?"));
  }
}

TEST(CommandLine, TheManualPageHasEveryCommand) {
  const Ran ran = Treadle({"__man"});
  EXPECT_EQ(ran.exit_code, 0);
  for (const char* const part : {".TH \"TREADLE\" 1", ".SS \"treadle task submit\"",
                                 ".SS \"treadle queue purge\"", "Exit codes:", "\\-\\-broker"}) {
    EXPECT_THAT(ran.out, HasSubstr(part));
  }
  EXPECT_EQ(Treadle({"--man"}).out, ran.out);
  EXPECT_EQ(Treadle({"--help"}).out.find("--man"), std::string::npos);
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
