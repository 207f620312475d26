#include "client/cli/map/item_source.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <streambuf>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/limits.h"

namespace treadle::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> All(ItemSource source) {
  std::vector<std::string> items;
  while (true) {
    absl::StatusOr<std::optional<Item>> item = source.next();
    EXPECT_TRUE(item.ok()) << item.status();
    if (!item.ok() || !item->has_value()) return items;
    items.push_back((*item)->Label());
  }
}

TEST(ItemSource, ListedItemsAreTakenAsTheyAre) {
  ItemSource source = *ItemsOf({{{"a", "", "b c"}}});
  EXPECT_EQ(source.count, 3);
  EXPECT_THAT(All(source), ElementsAre("a", "", "b c"));
}

TEST(ItemSource, OneItemALineAndAnEmptyLineIsOne) {
  std::istringstream input("a\n\n b \nlast");
  ItemSource source = ItemsFrom(input, '\n', "-");
  EXPECT_EQ(source.count, std::nullopt);
  EXPECT_THAT(All(source), ElementsAre("a", "", " b ", "last"));
}

TEST(ItemSource, SeveralListsMakeEveryCombinationAndLinkedOnesGoHandInHand) {
  EXPECT_THAT(All(*ItemsOf({{{"a", "b"}}, {{"1", "2"}}})), ElementsAre("a 1", "a 2", "b 1", "b 2"));
  EXPECT_THAT(All(*ItemsOf({{{"a", "b", "c"}}, {{"x", "y"}, true}, {{"1", "2"}}})),
              ElementsAre("a x 1", "a x 2", "b y 1", "b y 2"));
  EXPECT_THAT(All(*ItemsOf({{{"a"}}, {{}}})), ElementsAre());
  const std::vector<std::string> many(100'000, "v");
  EXPECT_FALSE(ItemsOf({{many}, {many}, {many}}).ok());
}

TEST(ItemSource, PiecesEndWithALine) {
  const auto pieces = [](const std::string& text, PieceSize size) {
    std::istringstream input(text);
    ItemSource source = PiecesOf(input, size);
    std::vector<std::string> all;
    while (auto item = *source.next()) all.push_back(item->input);
    return all;
  };
  EXPECT_THAT(pieces("1\n2\n3\n4\n5", {2, 1}), ElementsAre("1\n2\n", "3\n4\n", "5"));
  EXPECT_THAT(pieces("aaaa\nb\nc\n", {0, 3}), ElementsAre("aaaa\n", "b\nc\n"));
  EXPECT_THAT(pieces("\n\n", {1, 1}), ElementsAre("\n", "\n"));
  EXPECT_THAT(pieces("", {1, 1}), ElementsAre());
}

TEST(ItemSource, AnItemIsCutIntoColumns) {
  std::istringstream input(" a\t, b c\r,\nc\n");
  ItemSource source = Split(ItemsFrom(input, '\n', "-"), ",");
  EXPECT_THAT((*source.next())->values, ElementsAre("a", "b c", ""));
  EXPECT_THAT((*source.next())->values, ElementsAre("c"));
}

TEST(ItemSource, EachSourcesValueIsCutIntoColumns) {
  ItemSource source = Split(*ItemsOf({{{"a,b"}}, {{"c", "d , e"}}}), ",");
  EXPECT_EQ(source.count, 2);
  EXPECT_THAT((*source.next())->values, ElementsAre("a", "b", "c"));
  EXPECT_THAT((*source.next())->values, ElementsAre("a", "b", "d", "e"));
}

// One line without an end, which counts what is taken of it.
class LongLine : public std::streambuf {
 public:
  explicit LongLine(int64_t bytes) : left_(bytes) {}
  int64_t taken() const { return taken_ - (egptr() - gptr()); }

 protected:
  int_type underflow() override {
    const auto chunk = std::min(left_, static_cast<int64_t>(chunk_.size()));
    if (chunk == 0) return traits_type::eof();
    left_ -= chunk;
    taken_ += chunk;
    setg(chunk_.data(), chunk_.data(), chunk_.data() + chunk);
    return traits_type::to_int_type(*gptr());
  }

 private:
  std::string chunk_ = std::string(64 * 1024, 'x');
  int64_t left_;
  int64_t taken_ = 0;
};

TEST(ItemSource, ALineThatNoTaskHoldsIsNotReadToItsEnd) {
  constexpr int64_t kMax = limits::kPayloadBytesMaxCeiling;
  LongLine line(kMax + kMax / 4);
  std::istream input(&line);
  const absl::Status status = PiecesOf(input, {}).next().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("a block of standard input has more than 268435456"));
  EXPECT_EQ(line.taken(), kMax + 1);
}

TEST(ItemSource, BlocksThatCannotBeReadToTheEndAreAnError) {
  std::ifstream folder("/");
  ASSERT_TRUE(folder.is_open());
  const absl::Status status = PiecesOf(folder, {}).next().status();
  EXPECT_EQ(status.message(), "cannot read standard input: Is a directory");
}

TEST(ItemSource, CountedItemsAreTheSame) {
  std::istringstream input("a\nb\n");
  ItemSource source = *Counted(ItemsFrom(input, '\n', "-"));
  EXPECT_EQ(source.count, 2);
  EXPECT_EQ((*source.next())->number, 1);
  EXPECT_THAT(All(std::move(source)), ElementsAre("b"));
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
