#include "worker/session/output_box.h"

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace treadle::worker {
namespace {

using ::testing::ElementsAre;

class OutputBoxTest : public ::testing::Test {
 protected:
  // Token, index of the first entry, how many there are.
  using Report = std::tuple<uint64_t, uint64_t, int>;

  bool Say(uint64_t token, std::string text = "line") {
    OutputEntry entry(OutputKind::kLog, std::move(text));
    const std::string before = entry.data;
    if (box_.Add(token, entry, [this, token] { told_of_room_.push_back(token); })) return true;
    EXPECT_EQ(entry.data, before) << "it is to be said again";
    return false;
  }
  void SayMore(uint64_t token, int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(Say(token));
  }
  std::vector<Report> Take() {
    std::vector<Report> taken;
    for (const v1::OutputReport& report : box_.Take()) {
      taken.emplace_back(report.token(), report.first_index(), report.entries_size());
    }
    return taken;
  }

  OutputBox box_;
  std::vector<uint64_t> told_of_room_;
};

TEST_F(OutputBoxTest, EntriesAreCarriedWhole) {
  OutputEntry part(OutputKind::kPart, "data", "text/plain");
  part.time_ms = 1'234;
  ASSERT_TRUE(box_.Add(7, part, nullptr));
  OutputEntry error(OutputKind::kStandardError, std::string("\0\xFF", 2));
  ASSERT_TRUE(box_.Add(7, error, nullptr));
  ASSERT_TRUE(Say(7));
  const OutputReports reports = box_.Take();
  ASSERT_EQ(reports.size(), 1);
  ASSERT_EQ(reports[0].entries_size(), 3);
  EXPECT_EQ(reports[0].entries(0).kind(), v1::OUTPUT_KIND_PART);
  EXPECT_EQ(reports[0].entries(0).time_ms(), 1'234);
  EXPECT_EQ(reports[0].entries(0).data(), "data");
  EXPECT_EQ(reports[0].entries(0).content_type(), "text/plain");
  EXPECT_EQ(reports[0].entries(1).kind(), v1::OUTPUT_KIND_STANDARD_ERROR);
  EXPECT_EQ(reports[0].entries(1).data(), std::string("\0\xFF", 2));
  EXPECT_EQ(reports[0].entries(2).kind(), v1::OUTPUT_KIND_LOG);
}

TEST_F(OutputBoxTest, EachAttemptsEntriesAreNumberedAndSentOnce) {
  SayMore(7, 2);
  SayMore(3, 1);
  SayMore(7, 1);
  EXPECT_EQ(box_.waiting(), 4);
  EXPECT_TRUE(box_.WaitsIn(7));
  EXPECT_THAT(Take(), ElementsAre(Report(7, 0, 3), Report(3, 0, 1)));
  EXPECT_EQ(box_.waiting(), 0);
  EXPECT_FALSE(box_.WaitsIn(7));
  EXPECT_THAT(Take(), ElementsAre());
  SayMore(7, 2);
  EXPECT_THAT(Take(), ElementsAre(Report(7, 3, 2)));
}

TEST_F(OutputBoxTest, WhatIsHandledIsForgottenAndTheNumbersGoOn) {
  SayMore(7, 3);
  Take();
  box_.Handled(7, 2);
  box_.Handled(7, 1);
  box_.Handled(9, 5);
  box_.StreamLost();
  EXPECT_THAT(Take(), ElementsAre(Report(7, 2, 1)));
  box_.Handled(7, 3);
  EXPECT_EQ(box_.bytes(), 0);
  EXPECT_FALSE(box_.empty()) << "the attempt may say more";
  SayMore(7, 1);
  EXPECT_THAT(Take(), ElementsAre(Report(7, 3, 1)));
  box_.End(7);
  EXPECT_FALSE(box_.empty());
  box_.Handled(7, 1'000);
  EXPECT_TRUE(box_.empty());
  EXPECT_EQ(box_.bytes(), 0);
}

TEST_F(OutputBoxTest, AnAttemptThatEndsWithAllHandledLeavesNothing) {
  SayMore(7, 1);
  Take();
  box_.Handled(7, 1);
  box_.End(7);
  box_.End(8);
  EXPECT_TRUE(box_.empty());
}

TEST_F(OutputBoxTest, AfterALostStreamAllThatWasNotHandledGoesAgain) {
  SayMore(9, 2);
  SayMore(7, 3);
  Take();
  box_.End(9);
  box_.Handled(7, 1);
  SayMore(7, 1);
  box_.StreamLost();
  EXPECT_EQ(box_.waiting(), 5);
  EXPECT_THAT(Take(), ElementsAre(Report(7, 1, 3), Report(9, 0, 2)));
  // The broker had more of it than this stream has told.
  box_.StreamLost();
  box_.Handled(7, 3);
  EXPECT_EQ(box_.waiting(), 3);
  EXPECT_THAT(Take(), ElementsAre(Report(7, 3, 1), Report(9, 0, 2)));
}

TEST_F(OutputBoxTest, WhatIsDroppedIsGone) {
  SayMore(7, 2);
  SayMore(8, 2);
  SayMore(9, 2);
  box_.Drop(8);
  box_.Drop(10);
  EXPECT_EQ(box_.waiting(), 4);
  google::protobuf::RepeatedField<uint64_t> known;
  known.Add(9);
  known.Add(11);
  box_.DropAllBut(known);
  EXPECT_THAT(Take(), ElementsAre(Report(9, 0, 2)));
  box_.DropAllBut({});
  EXPECT_TRUE(box_.empty());
  EXPECT_EQ(box_.waiting(), 0);
  EXPECT_EQ(box_.bytes(), 0);
  SayMore(8, 1);
  EXPECT_THAT(Take(), ElementsAre(Report(8, 0, 1)));
}

TEST_F(OutputBoxTest, AMessageIsBoundedAndAttemptsHaveTheirTurns) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Say(1, std::string(100'000, 'x')));
  SayMore(2, 1);
  EXPECT_THAT(Take(), ElementsAre(Report(1, 0, 2), Report(2, 0, 1)));
  SayMore(2, 1);
  EXPECT_THAT(Take(), ElementsAre(Report(1, 2, 1), Report(2, 1, 1)));
  // Larger than a message shall be: alone.
  ASSERT_TRUE(Say(3, std::string(1'000'000, 'x')));
  SayMore(4, 1);
  EXPECT_THAT(Take(), ElementsAre(Report(3, 0, 1)));
  EXPECT_THAT(Take(), ElementsAre(Report(4, 0, 1)));
}

TEST_F(OutputBoxTest, AMessageIsBoundedInEntriesAndInReports) {
  for (int i = 0; i < 3'000; ++i) ASSERT_TRUE(Say(1, "") && Say(2, ""));
  EXPECT_THAT(Take(), ElementsAre(Report(1, 0, 3'000), Report(2, 0, 1'096)));
  EXPECT_THAT(Take(), ElementsAre(Report(2, 1'096, 1'904)));
  for (uint64_t token = 10; token < 1'510; ++token) SayMore(token, 1);
  EXPECT_EQ(Take().size(), 1'024);
  EXPECT_EQ(Take().size(), 476);
}

TEST_F(OutputBoxTest, AnAttemptThatIsTooFarAheadIsToldWhenThereIsRoom) {
  const std::string text(400'000, 'x');
  ASSERT_TRUE(Say(1, text) && Say(1, text));
  EXPECT_FALSE(Say(1, text));
  EXPECT_TRUE(Say(1)) << "there is room for less";
  EXPECT_TRUE(Say(2, text)) << "each has its own";
  Take();
  box_.Handled(2, 1);
  EXPECT_THAT(told_of_room_, ElementsAre());
  box_.Handled(1, 1);
  EXPECT_THAT(told_of_room_, ElementsAre(1));
  EXPECT_TRUE(Say(1, text));
}

TEST_F(OutputBoxTest, TheLargestEntryIsTakenWhenThereIsNothingElse) {
  const std::string text(limits::kOutputEntryBytesMax, 'x');
  SayMore(1, 1);
  EXPECT_FALSE(Say(1, text));
  Take();
  box_.Handled(1, 1);
  EXPECT_TRUE(Say(1, text));
  EXPECT_FALSE(Say(1, ""));
}

TEST_F(OutputBoxTest, AllAttemptsTogetherAreBounded) {
  const std::string text(1'000'000, 'x');
  uint64_t token = 1;
  while (Say(token, text)) ++token;
  EXPECT_EQ(token, 68);
  EXPECT_LE(box_.bytes(), OutputBox::kBytesMax);
  EXPECT_FALSE(Say(69, text));
  EXPECT_THAT(told_of_room_, ElementsAre());
  Take();
  box_.Handled(1, 1);
  EXPECT_THAT(told_of_room_, ::testing::UnorderedElementsAre(68, 69));
  EXPECT_TRUE(Say(69, text));
  EXPECT_FALSE(Say(68, text));
}

TEST_F(OutputBoxTest, WhoWaitsForRoomIsToldOfTheEndAndOfALostLease) {
  const std::string text(limits::kOutputEntryBytesMax, 'x');
  for (const uint64_t token : {1, 2, 3}) {
    ASSERT_TRUE(Say(token, text));
    ASSERT_FALSE(Say(token, text));
  }
  box_.End(1);
  EXPECT_THAT(told_of_room_, ElementsAre(1));
  box_.Drop(2);
  EXPECT_THAT(told_of_room_, ElementsAre(1, 2));
  box_.Handled(1, 1);
  EXPECT_THAT(told_of_room_, ElementsAre(1, 2)) << "once each";
}

}  // namespace
}  // namespace treadle::worker
