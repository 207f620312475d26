#include "proto/program/usage.h"

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/program/flags.h"

// Help texts, and what is said of a wrong command line.

namespace treadle::program {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;
using ::testing::Not;
using ::testing::Property;

class Usage : public ::testing::Test {
 protected:
  Usage() {
    root->require_subcommand(1);
    AddText(*root, "-o,--output", output, "FORM", "What is printed.");
    CLI::App* const queue = Add(*root, "queue", "Looks after queues.");
    queue->require_subcommand(1);
    CLI::App* const create =
        Add(*queue, "create",
            "Makes a queue, which is a line of words " + std::string("and again of words, ") +
                "until it is longer than a terminal.");
    AddText(*create, "NAME", name, "", "Its name.")->required();
    AddCount(*create, "--max-tasks", max_tasks, 0, 10, "How many tasks may wait.");
    create->footer(
        "Prose is written as it comes, in lines of any length, and is wrapped before a terminal "
        "would do\nit in the middle of a word.\n"
        "\n"
        "Examples:\n"
        "  tool queue create mail\n"
        "      Makes a queue, with a text below it that is as long as a text may be, whatever the "
        "width is.\n");
    Add(*root, "task", "Looks at tasks.");
  }

  static CLI::App* Add(CLI::App& parent, const std::string& name, const std::string& about) {
    return parent.add_subcommand(name, about)->group("Commands")->fallthrough();
  }

  std::string Said(const std::vector<std::string>& words) {
    try {
      ParseWords(*root, words);
      return "";
    } catch (const CLI::CallForHelp&) {
      return root->help();
    } catch (const CLI::ParseError& error) {
      return Explain(*root, error);
    }
  }

  std::unique_ptr<CLI::App> root =
      NewApp("tool", "A tool.", "Example:\n  tool queue create mail\n");
  std::string output = "table";
  std::string name;
  int64_t max_tasks = 0;
};

TEST_F(Usage, AHelpTextFitsATerminal) {
  const std::string help = Said({"queue", "create", "--help"});
  std::vector<std::string> lines;
  std::istringstream in(help);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  EXPECT_THAT(lines, Each(Property(&std::string::size, Le(79u)))) << help;
  EXPECT_THAT(help, AllOf(HasSubstr("\n\nExamples:\n  tool queue create mail\n      Makes a queue"),
                          HasSubstr("\nGlobal options (tool --help):\n  -o,--output\n"),
                          Not(HasSubstr("\n\n\n"))));
}

TEST_F(Usage, CommandsAreListedWithWhatTheyDo) {
  const std::string help = Said({"queue", "--help"});
  EXPECT_THAT(help, HasSubstr("\nCommands:\n"
                              "  create       Makes a queue, which is a line of words and again of "
                              "words,\n"
                              "               until it is longer than a terminal.\n"));
}

TEST_F(Usage, WhatIsNotKnownIsNamedWithWhatIsNearlyTheSame) {
  EXPECT_EQ(Said({"tsk"}), "there is no command 'tsk': did you mean task?");
  EXPECT_EQ(Said({"queue", "crate", "mail"}), "there is no command 'crate': did you mean create?");
  EXPECT_EQ(Said({"weave"}), "there is no command 'weave'");
  EXPECT_EQ(Said({"queue", "create", "mail", "--max-task", "3"}),
            "there is no option --max-task: did you mean --max-tasks?");
  EXPECT_EQ(Said({"queue", "create", "mail", "--max=3"}),
            "there is no option --max: did you mean --max-tasks?");
  EXPECT_EQ(Said({"queue", "create", "mail", "--frob"}), "there is no option --frob");
  EXPECT_EQ(Said({"queue", "create", "mail", "letter"}), "'letter' is one argument too many");
}

TEST_F(Usage, AMissingValueIsShown) {
  EXPECT_EQ(Said({"queue", "create", "mail", "--max-tasks"}),
            "--max-tasks needs a value: --max-tasks N");
  EXPECT_EQ(Said({"queue", "create", "mail", "-o"}), "--output needs a value: --output FORM");
  EXPECT_EQ(Said({"queue", "create"}), "NAME is required");
}

}  // namespace
}  // namespace treadle::program
