#include "worker/session/report_box.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/fake_broker.h"

namespace treadle::worker {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kPayloadMax = 4 << 20;

class ReportBoxTest : public ::testing::Test {
 protected:
  void Add(uint64_t token, std::string result = {}) {
    box_.Add(token, AttemptResult::Succeeded(std::move(result), ""), kPayloadMax);
  }
  void Say(uint64_t token, std::string text) {
    OutputEntry entry(OutputKind::kLog, std::move(text));
    EXPECT_TRUE(said_.Add(token, entry, nullptr));
  }
  v1::AttachRequest& Take(bool numbered = false) {
    OutputReports output = said_.Take();
    return box_.Take(numbered, std::move(output), said_);
  }
  // Writes one message to its end, and tells what it carried.
  std::vector<uint64_t> Write(uint64_t* sequence = nullptr) {
    const v1::AttachRequest& request = Take();
    std::vector<uint64_t> tokens;
    for (const v1::AttemptReport& report : ReportsIn(request)) tokens.push_back(report.token());
    if (sequence != nullptr) *sequence = request.report_sequence();
    box_.Written();
    return tokens;
  }
  std::vector<uint64_t> Held() {
    v1::WorkerHello hello;
    box_.AddHeld(hello);
    return {hello.held_tokens().begin(), hello.held_tokens().end()};
  }

  ReportBox box_;
  OutputBox said_;
};

TEST_F(ReportBoxTest, ReportsTravelTogetherAndAreForgottenWhenAcknowledged) {
  Add(1);
  Add(2);
  EXPECT_EQ(box_.waiting(), 2);
  uint64_t sequence = 0;
  EXPECT_THAT(Write(&sequence), ElementsAre(1, 2));
  EXPECT_EQ(sequence, 1);
  EXPECT_EQ(box_.waiting(), 0);
  EXPECT_FALSE(box_.empty());
  box_.Acknowledge(1);
  EXPECT_TRUE(box_.empty());
  EXPECT_EQ(box_.bytes(), 0);
}

TEST_F(ReportBoxTest, WhatSucceededGoesInRunsInWhateverOrderItEnded) {
  Add(3, "three");
  Add(1, "one");
  Add(6);
  Add(2);
  box_.Add(7, AttemptResult::Succeeded("seven", "text/plain"), kPayloadMax);
  box_.Add(4, AttemptResult::Stopped(), kPayloadMax);
  const v1::AttachRequest& request = Take();
  EXPECT_EQ(box_.writing(), 6);
  ASSERT_EQ(request.succeeded_size(), 3);
  EXPECT_EQ(request.succeeded(0).first_token(), 1);
  EXPECT_THAT(request.succeeded(0).result_sizes(), ElementsAre(3, 0, 5));
  EXPECT_EQ(request.succeeded(0).results(), "onethree");
  EXPECT_EQ(request.succeeded(1).first_token(), 6);
  EXPECT_THAT(request.succeeded(1).result_sizes(), ElementsAre(0));
  EXPECT_EQ(request.succeeded(2).first_token(), 7);
  EXPECT_EQ(request.succeeded(2).content_type(), "text/plain");
  ASSERT_EQ(request.reports_size(), 1);
  EXPECT_EQ(request.reports(0).end(), v1::ATTEMPT_END_STOPPED);
  box_.Written();
  box_.Acknowledge(1);
  EXPECT_TRUE(box_.empty());
  EXPECT_EQ(box_.bytes(), 0);
}

TEST_F(ReportBoxTest, AfterALostStreamResultsGoWithWhatHasEndedSince) {
  Add(1, "one");
  Add(3, "three");
  Take();
  box_.StreamLost();
  Add(2, "two");
  const v1::AttachRequest& again = Take();
  ASSERT_EQ(again.succeeded_size(), 1);
  EXPECT_EQ(again.succeeded(0).results(), "onetwothree");
}

TEST_F(ReportBoxTest, OnlyMessagesWithReportsAreNumberedUnlessAsked) {
  uint64_t sequence = 7;
  EXPECT_THAT(Write(&sequence), ElementsAre());
  EXPECT_EQ(sequence, 0);
  EXPECT_EQ(Take(true).report_sequence(), 1);
  box_.Written();
  Add(1);
  Write(&sequence);
  EXPECT_EQ(sequence, 2);
  box_.Acknowledge(2);
  EXPECT_EQ(box_.acknowledged(), 2);
  EXPECT_TRUE(box_.empty());
}

TEST_F(ReportBoxTest, AnAcknowledgementMayComeBeforeTheWriteHasEnded) {
  Add(1);
  Take();
  box_.Acknowledge(1);
  EXPECT_FALSE(box_.empty()) << "it is being written";
  box_.Written();
  EXPECT_TRUE(box_.empty());
}

TEST_F(ReportBoxTest, AnAcknowledgementOfWhatWasNeverSentCountsForNothing) {
  Add(1);
  box_.Acknowledge(1'000);
  Write();
  EXPECT_FALSE(box_.empty());
}

TEST_F(ReportBoxTest, AfterALostStreamTheUnacknowledgedOnesComeFirstAndCountAnew) {
  for (uint64_t token = 1; token <= 3; ++token) {
    Add(token);
    Write();
  }
  box_.Acknowledge(1);
  Add(4);
  Take();  // being written when the stream breaks
  Add(5);
  box_.StreamLost();
  EXPECT_EQ(box_.waiting(), 4);
  EXPECT_EQ(box_.size(), 4) << "as many as a hello names";
  EXPECT_THAT(Held(), ElementsAre(2, 3, 4, 5));
  uint64_t sequence = 0;
  EXPECT_THAT(Write(&sequence), ElementsAre(2));
  EXPECT_EQ(sequence, 1);
  EXPECT_THAT(Write(), ElementsAre(3));
  EXPECT_THAT(Write(), ElementsAre(4));
  EXPECT_THAT(Write(&sequence), ElementsAre(5));
  EXPECT_EQ(sequence, 4);
  box_.Acknowledge(4);
  EXPECT_TRUE(box_.empty());
}

TEST_F(ReportBoxTest, OnlyReportsAreSentAgain) {
  Add(1);
  v1::AttachRequest& request = Take();
  request.add_credits()->set_tasks(5);
  request.add_started_tokens(9);
  request.add_progress()->set_token(9);
  request.set_drain(true);
  box_.Written();
  box_.StreamLost();
  const v1::AttachRequest& again = Take();
  EXPECT_EQ(again.succeeded_size(), 1);
  EXPECT_EQ(again.credits_size(), 0);
  EXPECT_EQ(again.started_tokens_size(), 0);
  EXPECT_EQ(again.progress_size(), 0);
  EXPECT_FALSE(again.drain());
}

TEST_F(ReportBoxTest, AMessageThatIsUsedAgainCarriesNothingOld) {
  Add(1, "a result");
  v1::AttachRequest& request = Take();
  request.set_drain(true);
  request.add_credits();
  box_.Written();
  box_.Acknowledge(1);
  Add(2);
  const v1::AttachRequest& next = Take();
  EXPECT_EQ(&next, &request) << "not used again";
  EXPECT_FALSE(next.drain());
  EXPECT_EQ(next.credits_size(), 0);
  ASSERT_EQ(next.succeeded_size(), 1);
  EXPECT_EQ(next.succeeded(0).first_token(), 2);
  EXPECT_EQ(next.succeeded(0).results(), "");
}

TEST_F(ReportBoxTest, AMessageIsBoundedInBytesAndInReports) {
  for (uint64_t token = 1; token <= 3; ++token) Add(token, std::string(700'000, 'x'));
  EXPECT_TRUE(box_.full());
  EXPECT_THAT(Write(), ElementsAre(1));
  EXPECT_THAT(Write(), ElementsAre(2));
  Add(4, std::string(3'000'000, 'x'));
  EXPECT_THAT(Write(), ElementsAre(3));
  EXPECT_THAT(Write(), ElementsAre(4)) << "alone, since it is larger than a message shall be";
  for (uint64_t token = 0; token < 10'000; ++token) Add(token);
  EXPECT_EQ(Write().size(), 4'096);
}

TEST_F(ReportBoxTest, OutputGoesAlongWithTheReport) {
  Say(1, "line");
  Add(1);
  const v1::AttachRequest& request = Take();
  ASSERT_EQ(request.output_size(), 1);
  EXPECT_EQ(request.output(0).entries(0).data(), "line");
  EXPECT_EQ(request.succeeded_size(), 1);
  box_.Written();
  EXPECT_EQ(request.output_size(), 0) << "the output box keeps it";
}

TEST_F(ReportBoxTest, AReportWaitsForItsAttemptsOutputAndHoldsUpNoOther) {
  for (const uint64_t token : {1, 2, 3, 4}) {
    if (token != 3) Say(token, std::string(200'000, 'x'));
    if (token == 4) {
      box_.Add(token, AttemptResult::Failed("Error", "message"), kPayloadMax);
    } else {
      Add(token);
    }
  }
  // One message takes the output of one of them.
  EXPECT_THAT(Write(), ElementsAre(1, 3));
  EXPECT_EQ(box_.waiting(), 2);
  EXPECT_THAT(Held(), ::testing::UnorderedElementsAre(2, 4));
  Add(5);
  EXPECT_THAT(Write(), ::testing::UnorderedElementsAre(2, 5));
  EXPECT_THAT(Write(), ElementsAre(4));
  EXPECT_EQ(box_.waiting(), 0);
  box_.Acknowledge(3);
  EXPECT_TRUE(box_.empty());
  EXPECT_EQ(box_.bytes(), 0);
}

TEST_F(ReportBoxTest, AfterALostStreamOutputGoesBeforeTheReportAgain) {
  for (const uint64_t token : {1, 2}) {
    Say(token, std::string(200'000, 'x'));
    Add(token);
  }
  EXPECT_THAT(Write(), ElementsAre(1));
  EXPECT_THAT(Write(), ElementsAre(2));
  box_.StreamLost();
  said_.StreamLost();
  const v1::AttachRequest& again = Take();
  ASSERT_EQ(again.output_size(), 1);
  EXPECT_EQ(again.output(0).token(), 1);
  EXPECT_EQ(ReportsIn(again).size(), 1);
  box_.Written();
  EXPECT_THAT(Write(), ElementsAre(2));
}

TEST_F(ReportBoxTest, WithoutReportsThatMayGoAMessageCarriesOutputAlone) {
  Say(1, std::string(200'000, 'x'));
  Say(1, std::string(200'000, 'x'));
  Add(1);
  uint64_t sequence = 7;
  EXPECT_THAT(Write(&sequence), ElementsAre());
  EXPECT_EQ(sequence, 0);
  EXPECT_THAT(Write(&sequence), ElementsAre(1));
  EXPECT_EQ(sequence, 1);
}

TEST_F(ReportBoxTest, DroppedReportsAreGone) {
  for (uint64_t token = 1; token <= 4; ++token) Add(token);
  Write();
  Add(5);
  Write();
  Add(6);
  box_.StreamLost();
  EXPECT_EQ(box_.size(), 6);
  box_.Drop({2, 3, 5, 99});
  EXPECT_EQ(box_.size(), 3);
  EXPECT_EQ(box_.waiting(), 3);
  EXPECT_THAT(Held(), ElementsAre(1, 4, 6));
  EXPECT_THAT(Write(), ElementsAre(1, 4));
  EXPECT_THAT(Write(), ElementsAre(6));
  box_.Acknowledge(2);
  EXPECT_TRUE(box_.empty());
  EXPECT_EQ(box_.bytes(), 0);
}

}  // namespace
}  // namespace treadle::worker
