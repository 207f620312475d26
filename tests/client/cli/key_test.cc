#include "client/cli/console/key.h"

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = Key::Kind;

Key Text(const std::string& text) { return {Kind::kText, text}; }
Key Other(Kind kind) { return {kind, ""}; }

TEST(KeyReader, CharactersAreKeysAlsoInSeveralBytes) {
  KeyReader reader;
  EXPECT_THAT(reader.Read("jż東"), ElementsAre(Text("j"), Text("ż"), Text("東")));
  EXPECT_FALSE(reader.pending());
}

TEST(KeyReader, ACharacterMayComeInPieces) {
  KeyReader reader;
  const std::string_view east = "東";
  EXPECT_THAT(reader.Read(east.substr(0, 1)), IsEmpty());
  EXPECT_TRUE(reader.pending());
  EXPECT_THAT(reader.Read(east.substr(1)), ElementsAre(Text("東")));
}

TEST(KeyReader, ArrowsInBothOfTheirFormsAndOtherKeysOfTheirRow) {
  KeyReader reader;
  EXPECT_THAT(reader.Read("\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1bOF"),
              ElementsAre(Other(Kind::kUp), Other(Kind::kDown), Other(Kind::kPageUp),
                          Other(Kind::kPageDown), Other(Kind::kHome), Other(Kind::kEnd)));
}

TEST(KeyReader, ASequenceMayComeInPieces) {
  KeyReader reader;
  EXPECT_THAT(reader.Read("\x1b"), IsEmpty());
  EXPECT_THAT(reader.Read("["), IsEmpty());
  EXPECT_THAT(reader.Read("Aj"), ElementsAre(Other(Kind::kUp), Text("j")));
}

TEST(KeyReader, AnEscapeByteThatNothingFollowsIsTheKey) {
  KeyReader reader;
  EXPECT_THAT(reader.Read("\x1b"), IsEmpty());
  EXPECT_TRUE(reader.pending());
  EXPECT_THAT(reader.End(), ElementsAre(Other(Kind::kEscape)));
  EXPECT_THAT(reader.End(), IsEmpty());
  // Alt and a key, or two keys pressed fast.
  EXPECT_THAT(reader.Read("\x1bq"), ElementsAre(Other(Kind::kEscape), Text("q")));
}

TEST(KeyReader, EnterAndErase) {
  KeyReader reader;
  EXPECT_THAT(reader.Read("\r\n\b\x7f"), ElementsAre(Other(Kind::kEnter), Other(Kind::kEnter),
                                                     Other(Kind::kErase), Other(Kind::kErase)));
}

TEST(KeyReader, WhatIsNoKeyIsDropped) {
  KeyReader reader;
  EXPECT_THAT(reader.Read("\x1b[1;5Cj\x1b[200~k\x01\x80\xfel"),
              ElementsAre(Text("j"), Text("k"), Text("l")));
  // Never whole, and not kept for ever.
  EXPECT_THAT(reader.Read("\x1b[" + std::string(1'000, '1') + "x"), SizeIs(985));
}

}  // namespace
}  // namespace treadle::cli
