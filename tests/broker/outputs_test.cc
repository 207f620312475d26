#include "server/broker/outputs.h"

#include <string>
#include <variant>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace treadle::broker {
namespace {

using engine::OutputEntry;
using engine::OutputExpiryRow;
using engine::OutputKind;
using engine::OutputPieceRow;
using engine::Row;
using engine::Token;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr TaskId kTask{1, 7};
constexpr Outputs::Attempt kFirst{kTask, Token{8}, 1};
constexpr Outputs::Attempt kSecond{kTask, Token{9}, 2};
constexpr int64_t kBytesMax = 1'000;

std::vector<OutputEntry> Lines(std::vector<std::string> lines) {
  std::vector<OutputEntry> entries;
  for (std::string& line : lines) entries.push_back({OutputKind::kLog, 5, std::move(line), ""});
  return entries;
}

struct Said {
  explicit Said(Outputs& of) : outputs(of) {}

  uint64_t Append(const Outputs::Attempt& attempt, std::optional<uint64_t> first_index,
                  std::vector<std::string> lines, bool keep = true) {
    changes.clear();
    return outputs.Append(attempt, first_index, Lines(std::move(lines)), keep, now_ms, changes);
  }
  // Those rows of a kind that the last change put.
  template <typename Kind>
  std::vector<Kind> Put() const {
    std::vector<Kind> rows;
    for (const engine::RowChange& change : changes) {
      const auto* const row = std::get_if<Row>(&change);
      if (row != nullptr && std::holds_alternative<Kind>(*row))
        rows.push_back(std::get<Kind>(*row));
    }
    return rows;
  }
  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    for (const OutputPieceRow& piece : Put<OutputPieceRow>()) {
      for (const OutputEntry& entry : piece.entries) texts.push_back(entry.data);
    }
    return texts;
  }

  Outputs& outputs;
  int64_t now_ms = 100;
  std::vector<engine::RowChange> changes;
};

class OutputsTest : public testing::Test {
 protected:
  Outputs outputs{kBytesMax};
  Said said{outputs};
};

TEST_F(OutputsTest, EntriesHaveOffsetsThatGoOnOverAttempts) {
  EXPECT_EQ(said.Append(kFirst, 0, {"a", "b"}), 2u);
  auto pieces = said.Put<OutputPieceRow>();
  ASSERT_THAT(pieces, SizeIs(1));
  EXPECT_EQ(pieces[0].first, 0u);
  EXPECT_EQ(pieces[0].attempt, 1);
  EXPECT_EQ(said.Append(kSecond, 0, {"c"}), 1u);
  pieces = said.Put<OutputPieceRow>();
  ASSERT_THAT(pieces, SizeIs(1));
  EXPECT_EQ(pieces[0].first, 2u);
  EXPECT_EQ(pieces[0].token, Token{9});
  EXPECT_EQ(outputs.Find(kTask)->next, 3u);
}

TEST_F(OutputsTest, WhatComesAgainIsPassedOver) {
  said.Append(kFirst, 0, {"a", "b"});
  EXPECT_EQ(said.Append(kFirst, 0, {"a", "b"}), 2u);
  EXPECT_THAT(said.changes, IsEmpty());
  EXPECT_EQ(said.Append(kFirst, 1, {"b", "c"}), 3u);
  EXPECT_THAT(said.Texts(), ElementsAre("c"));
  EXPECT_EQ(said.Put<OutputPieceRow>()[0].first, 2u);
}

TEST_F(OutputsTest, WithoutAnIndexTheyComeBehindWhatThereIs) {
  said.Append(kFirst, std::nullopt, {"a"});
  EXPECT_EQ(said.Append(kFirst, std::nullopt, {"a"}), 2u);
  EXPECT_EQ(said.Put<OutputPieceRow>()[0].first, 1u);
}

TEST_F(OutputsTest, WhatIsMissingHasAnOffset) {
  said.Append(kFirst, 0, {"a"});
  EXPECT_EQ(said.Append(kFirst, 5, {"f"}), 6u);
  EXPECT_EQ(said.Put<OutputPieceRow>()[0].first, 5u);
  EXPECT_EQ(said.Append(kFirst, 6, {"g"}, /*keep=*/false), 7u);
  EXPECT_THAT(said.Texts(), IsEmpty());
  said.Append(kFirst, 7, {"h"});
  EXPECT_EQ(said.Put<OutputPieceRow>()[0].first, 7u);
}

TEST_F(OutputsTest, BeyondTheBoundANoticeStandsForTheRest) {
  const std::string large(400, 'x');
  said.Append(kFirst, 0, {large, large});
  EXPECT_EQ(said.Append(kFirst, 2, {large, "more"}), 4u);
  const auto pieces = said.Put<OutputPieceRow>();
  ASSERT_THAT(pieces, SizeIs(1));
  ASSERT_THAT(pieces[0].entries, SizeIs(1));
  EXPECT_EQ(pieces[0].first, 2u);
  EXPECT_EQ(pieces[0].entries[0].kind, OutputKind::kNotice);
  said.Append(kFirst, 4, {"still more"});
  EXPECT_THAT(said.Texts(), IsEmpty());
  EXPECT_EQ(outputs.Find(kTask)->next, 5u);
}

TEST_F(OutputsTest, EarlierAttemptsGiveWay) {
  const std::string large(400, 'x');
  said.Append(kFirst, 0, {large, large});
  said.Append(kSecond, 0, {large});
  EXPECT_THAT(said.Texts(), ElementsAre(large));
  const auto dropped = said.Put<OutputExpiryRow>();
  ASSERT_THAT(dropped, SizeIs(1));
  EXPECT_EQ(dropped[0].at_ms, said.now_ms);
  EXPECT_EQ(dropped[0].before, 2u);
  EXPECT_THAT(outputs.Find(kTask)->attempts, SizeIs(1));
  EXPECT_LE(outputs.NextSweepMs(), said.now_ms + 1);
}

TEST_F(OutputsTest, AttemptsHaveABound) {
  for (int i = 1; i <= 150; ++i) {
    said.Append({kTask, Token{static_cast<uint64_t>(i)}, i}, 0, {"-"});
    EXPECT_LE(outputs.Find(kTask)->attempts.size(), Outputs::kAttemptsMax);
  }
}

TEST_F(OutputsTest, ALargeMessageIsSeveralPieces) {
  Outputs large(int64_t{64} << 20);
  Said all(large);
  const std::string entry(100'000, 'x');
  all.Append(kFirst, 0, {entry, entry, entry, entry, entry});
  const auto pieces = all.Put<OutputPieceRow>();
  ASSERT_THAT(pieces, SizeIs(3));
  EXPECT_EQ(pieces[1].first, 2u);
  EXPECT_EQ(pieces[2].first, 4u);
}

TEST_F(OutputsTest, TheEndSaysWhenItGoes) {
  outputs.BeginSweep();
  outputs.EndSweep(INT64_MAX, 0);
  said.Append(kFirst, 0, {"a"});
  std::vector<engine::RowChange> changes;
  outputs.End(kTask, 5'000, changes);
  EXPECT_EQ(outputs.Find(kTask), nullptr);
  EXPECT_EQ(outputs.size(), 0u);
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_EQ(std::get<engine::OutputKey>(std::get<engine::RowKey>(changes[0])).task, kTask);
  const auto& expiry = std::get<OutputExpiryRow>(std::get<Row>(changes[1]));
  EXPECT_EQ(expiry.at_ms, 5'000);
  EXPECT_EQ(expiry.before, UINT64_MAX);
  EXPECT_EQ(outputs.NextSweepMs(), 5'001);
  changes.clear();
  outputs.End({1, 8}, 5'000, changes);
  EXPECT_THAT(changes, IsEmpty());
}

}  // namespace
}  // namespace treadle::broker
