#include "client/cli/map/placeholder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

using ::testing::ElementsAre;

TEST(CommandTemplate, EveryPlaceBecomesTheItem) {
  const CommandTemplate command({"/usr/bin/cp", "{}", "{}.bak", "-{}-{}-"}, true);
  EXPECT_THAT(command.Fill("a b"), ElementsAre("/usr/bin/cp", "a b", "a b.bak", "-a b-a b-"));
}

TEST(CommandTemplate, WithoutAPlaceTheItemIsTheLastArgument) {
  EXPECT_THAT(CommandTemplate({"/usr/bin/wc", "-w"}, true).Fill("x"),
              ElementsAre("/usr/bin/wc", "-w", "x"));
}

TEST(CommandTemplate, AnItemThatTravelsOtherwiseIsNotAppended) {
  EXPECT_THAT(CommandTemplate({"/usr/bin/wc", "-w"}, false).Fill("x"),
              ElementsAre("/usr/bin/wc", "-w"));
}

TEST(CommandTemplate, AnItemWithBracesIsNotReplacedAgain) {
  EXPECT_THAT(CommandTemplate({"echo", "<{}>"}, true).Fill("{}{}"), ElementsAre("echo", "<{}{}>"));
  EXPECT_THAT(CommandTemplate({"echo", "{", "}{}"}, true).Fill(""), ElementsAre("echo", "{", "}"));
}

}  // namespace
}  // namespace treadle::cli
