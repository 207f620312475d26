#include "client/cli/map/placeholder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

using ::testing::ElementsAre;

Item Of(std::vector<std::string> values) {
  Item item;
  item.values = std::move(values);
  item.number = 7;
  return item;
}

TEST(CommandTemplate, EveryPlaceBecomesTheItem) {
  const CommandTemplate command({"/usr/bin/cp", "{}", "{}.bak", "-{}-{}-"}, true);
  EXPECT_THAT(command.Fill(Of({"a b"})), ElementsAre("/usr/bin/cp", "a b", "a b.bak", "-a b-a b-"));
}

TEST(CommandTemplate, WithoutAPlaceTheItemIsTheLastArgument) {
  EXPECT_THAT(CommandTemplate({"/usr/bin/wc", "-w"}, true).Fill(Of({"x"})),
              ElementsAre("/usr/bin/wc", "-w", "x"));
}

TEST(CommandTemplate, AnItemThatTravelsOtherwiseIsNotAppended) {
  EXPECT_THAT(CommandTemplate({"/usr/bin/wc", "-w"}, false).Fill(Of({"x"})),
              ElementsAre("/usr/bin/wc", "-w"));
}

TEST(CommandTemplate, AnItemWithBracesIsNotReplacedAgain) {
  EXPECT_THAT(CommandTemplate({"echo", "<{}>"}, true).Fill(Of({"{}{}"})),
              ElementsAre("echo", "<{}{}>"));
  EXPECT_THAT(CommandTemplate({"echo", "{", "}{}"}, true).Fill(Of({""})),
              ElementsAre("echo", "{", "}"));
}

TEST(CommandTemplate, APathsPartsAreAsInParallel) {
  const CommandTemplate command({"{.}", "{/}", "{//}", "{/.}", "x{#}"}, true);
  EXPECT_THAT(command.Fill(Of({"a/b.c/d.tar.gz"})),
              ElementsAre("a/b.c/d.tar", "d.tar.gz", "a/b.c", "d.tar", "x7"));
  EXPECT_THAT(command.Fill(Of({"a/b.c/d"})), ElementsAre("a/b.c/d", "d", "a/b.c", "d", "x7"));
  EXPECT_THAT(command.Fill(Of({"/x"})), ElementsAre("/x", "x", "/", "x", "x7"));
  EXPECT_THAT(command.Fill(Of({"a/b."})), ElementsAre("a/b", "b.", "a", "b", "x7"));
  EXPECT_THAT(command.Fill(Of({".rc"})), ElementsAre("", ".rc", ".", "", "x7"));
}

TEST(CommandTemplate, SourcesHaveNumbers) {
  const Item item = Of({"a.txt", "2", "z"});
  EXPECT_THAT(CommandTemplate({"{1.}-{2}", "{-1}", "{4}", "{0}", "{ }"}, true).Fill(item),
              ElementsAre("a-2", "z", "", "{0}", "{ }"));
  EXPECT_THAT(CommandTemplate({"e", "{}", "<{}>"}, true).Fill(item),
              ElementsAre("e", "a.txt", "2", "z", "<a.txt", "2", "z>"));
  EXPECT_THAT(CommandTemplate({"e"}, true).Fill(item), ElementsAre("e", "a.txt", "2", "z"));
}

}  // namespace
}  // namespace treadle::cli
