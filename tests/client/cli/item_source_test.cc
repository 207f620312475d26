#include "client/cli/map/item_source.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> All(ItemSource source) {
  std::vector<std::string> items;
  while (true) {
    absl::StatusOr<std::optional<std::string>> item = source.next();
    EXPECT_TRUE(item.ok()) << item.status();
    if (!item.ok() || !item->has_value()) return items;
    items.push_back(**std::move(item));
  }
}

TEST(ItemSource, ListedItemsAreTakenAsTheyAre) {
  ItemSource source = ItemsOf({"a", "", "b c"});
  EXPECT_EQ(source.count, 3u);
  EXPECT_THAT(All(source), ElementsAre("a", "", "b c"));
}

TEST(ItemSource, OneItemALineAndEmptyLinesArePassedOver) {
  std::istringstream input("a\n\n b \nlast");
  ItemSource source = ItemsFrom(input, '\n', "-");
  EXPECT_EQ(source.count, std::nullopt);
  EXPECT_THAT(All(source), ElementsAre("a", " b ", "last"));
}

TEST(ItemSource, NulDelimitedItemsMayHaveNewlines) {
  std::istringstream input(std::string("a\nb\0c\0", 6));
  EXPECT_THAT(All(ItemsFrom(input, '\0', "-")), ElementsAre("a\nb", "c"));
}

TEST(ItemSource, AMissingFileIsNamed) {
  std::istringstream in;
  std::ostringstream out;
  Terminal terminal{in, out, out};
  const absl::StatusOr<ItemSource> source = ItemsFromFile("/nowhere/items", '\n', terminal);
  EXPECT_EQ(source.status().message(), "cannot read '/nowhere/items': No such file or directory");
}

TEST(ItemSource, AFolderIsNoListOfItems) {
  std::istringstream in;
  std::ostringstream out;
  Terminal terminal{in, out, out};
  const absl::StatusOr<ItemSource> source = ItemsFromFile("/", '\n', terminal);
  EXPECT_EQ(source.status().message(), "cannot read '/': it is a folder");
}

// As a folder does that is standard input: open, and an error when it is read.
TEST(ItemSource, WhatCannotBeReadToItsEndIsAnErrorAndNotTheEnd) {
  std::ifstream folder("/");
  ASSERT_TRUE(folder.is_open());
  const absl::Status status = ItemsFrom(folder, '\n', "-").next().status();
  EXPECT_EQ(status.message(), "cannot read standard input: Is a directory");
}

}  // namespace
}  // namespace treadle::cli
