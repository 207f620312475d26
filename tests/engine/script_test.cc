#include "tests/engine/script.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include <gtest/gtest.h>

#include "tests/engine/format.h"

// Every file of tests/engine/scripts is a test. TREADLE_REWRITE_SCRIPTS=1 puts what really happened
// into the files; read the difference before you commit it.

namespace treadle::engine {
namespace {

std::vector<std::string> ScriptNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(TREADLE_ENGINE_SCRIPTS)) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class ScriptTest : public testing::TestWithParam<std::string> {};

std::filesystem::path PathOf(const std::string& name) {
  return std::filesystem::path(TREADLE_ENGINE_SCRIPTS) / (name + ".txt");
}

std::string Expected(const std::string& name) {
  std::ifstream file(PathOf(name));
  std::stringstream expected;
  expected << file.rdbuf();
  return expected.str();
}

// Without the lines about what is kept of tasks that have ended: that differs for a run. Rows of
// one turn are sorted: a run's are changed in another order.
std::string WithoutRuns(const std::string& text) {
  std::string kept;
  std::vector<absl::string_view> rows;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "+ ") || absl::StartsWith(line, "- ")) {
      const absl::string_view row = line.substr(2);
      const bool of_run = absl::StartsWith(row, "run ") || absl::StartsWith(line, "- task ");
      if (!of_run) rows.push_back(line);
      continue;
    }
    std::sort(rows.begin(), rows.end());
    for (const absl::string_view row : std::exchange(rows, {})) absl::StrAppend(&kept, row, "\n");
    absl::StrAppend(&kept, line, "\n");
  }
  return kept;
}

TEST_P(ScriptTest, HappensAsWritten) {
  const std::string expected = Expected(GetParam());
  const std::string actual = Script::Run(expected);
  if (std::getenv("TREADLE_REWRITE_SCRIPTS") != nullptr) {
    std::ofstream(PathOf(GetParam())) << actual;
    return;
  }
  EXPECT_EQ(expected, actual);
}

TEST_P(ScriptTest, HappensInRunsAsInSingleTasks) {
  const std::string expected = Expected(GetParam());
  EXPECT_EQ(WithoutRuns(expected), WithoutRuns(Script::Run(expected, /*together=*/true)));
}

INSTANTIATE_TEST_SUITE_P(Engine, ScriptTest, testing::ValuesIn(ScriptNames()),
                         [](const auto& test) { return test.param; });

// The names of all values of an enumeration, from this one on.
template <typename Enum>
std::vector<std::string> NamesFrom(Enum first) {
  std::vector<std::string> names;
  for (int value = static_cast<int>(first);; ++value) {
    std::string name = NameOf(static_cast<Enum>(value));
    if (name == "?") return names;
    names.push_back(std::move(name));
  }
}

TEST(Scripts, HaveEachReasonAndEachAction) {
  std::string all;
  for (const std::string& name : ScriptNames()) absl::StrAppend(&all, Expected(name));
  for (const std::string& reason : NamesFrom(Reason::kStops)) {
    EXPECT_TRUE(absl::StrContains(all, absl::StrCat("\n", reason, " since="))) << reason;
  }
  for (const std::string& action : NamesFrom(ActionKind::kQueueCreated)) {
    EXPECT_TRUE(absl::StrContains(all, absl::StrCat(" ", action, " "))) << action;
  }
}

}  // namespace
}  // namespace treadle::engine
