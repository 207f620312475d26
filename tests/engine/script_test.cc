#include "tests/engine/script.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

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

TEST_P(ScriptTest, HappensAsWritten) {
  const std::filesystem::path path =
      std::filesystem::path(TREADLE_ENGINE_SCRIPTS) / (GetParam() + ".txt");
  std::ifstream file(path);
  std::stringstream expected;
  expected << file.rdbuf();
  const std::string actual = Script::Run(expected.str());
  if (std::getenv("TREADLE_REWRITE_SCRIPTS") != nullptr) {
    std::ofstream(path) << actual;
    return;
  }
  EXPECT_EQ(expected.str(), actual);
}

INSTANTIATE_TEST_SUITE_P(Engine, ScriptTest, testing::ValuesIn(ScriptNames()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace treadle::engine
