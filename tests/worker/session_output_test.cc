#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/fake_broker.h"
#include "tests/worker/live_session.h"
#include "tests/worker/pool/meeting.h"
#include "worker/session/session.h"

// What handlers say, on its way to the broker.

namespace treadle::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class SessionOutputTest : public ::testing::Test {
 protected:
  // An entry's index, and what it says.
  using Entry = std::pair<uint64_t, std::string>;

  SessionOutputTest() : live_(broker_) {
    live_.Handle("echo", [](TaskContext&, std::string payload) {
      return AttemptResult::Succeeded(std::move(payload), "");
    });
    live_.Handle("talk", [](TaskContext& context, std::string) {
      context.Log("one");
      context.LogStandardError("two");
      context.Emit(Payload("three", "text/plain"));
      return AttemptResult::Succeeded("", "");
    });
    live_.Handle("talk_and_wait", [this](TaskContext& context, std::string) {
      for (const char* const text : {"one", "two", "three"}) context.Log(text);
      EXPECT_TRUE(door_.Pass());
      context.Log("four");
      return AttemptResult::Succeeded("", "");
    });
    live_.Handle("say_much", [this](TaskContext& context, const std::string& text) {
      for (int i = 0; i < 3; ++i) {
        context.Log(text);
        ++said_;
      }
      return AttemptResult::Succeeded("", "");
    });
  }

  void Start(int slots) {
    live_.Start(slots, 0);
    ASSERT_TRUE(broker_.WaitForCredit(slots));
  }

  // Of one stream, by the token.
  std::vector<Entry> OutputIn(int stream, uint64_t token) {
    std::vector<Entry> output;
    for (const FakeBroker::Message& message : broker_.messages()) {
      if (message.stream != stream) continue;
      for (const v1::OutputReport& report : message.request.output()) {
        if (report.token() != token) continue;
        uint64_t index = report.first_index();
        for (const v1::OutputEntry& entry : report.entries()) {
          output.emplace_back(index++, entry.data());
        }
      }
    }
    return output;
  }
  bool WaitForOutputIn(int stream, uint64_t token, size_t count) {
    return broker_.WaitUntil([&] { return OutputIn(stream, token).size() >= count; });
  }
  // In this stream the report came after all of the output, or in the same message.
  bool ReportedLastIn(int stream, uint64_t token) {
    bool reported = false;
    bool late = false;
    for (const FakeBroker::Message& message : broker_.messages()) {
      if (message.stream != stream) continue;
      for (const v1::OutputReport& report : message.request.output()) {
        late |= reported && report.token() == token;
      }
      for (const v1::AttemptReport& report : ReportsIn(message.request)) {
        reported |= report.token() == token;
      }
    }
    return reported && !late;
  }
  // The worker has heard all that was sent before.
  void WaitUntilHeard(uint64_t token) {
    broker_.SendTask(TaskOf(token, "echo"));
    ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.report(token).has_value(); }));
  }

  FakeBroker broker_;
  Door door_;
  std::atomic<int> said_{0};
  LiveSession live_;
};

TEST_F(SessionOutputTest, GoesOutWhileTheTaskRuns) {
  Start(1);
  broker_.SendTask(TaskOf(1, "talk_and_wait"));
  ASSERT_TRUE(WaitForOutputIn(1, 1, 3));
  EXPECT_FALSE(broker_.report(1).has_value());
  door_.Open();
  ASSERT_TRUE(broker_.WaitForReports(1));
  EXPECT_THAT(OutputIn(1, 1),
              ElementsAre(Pair(0, "one"), Pair(1, "two"), Pair(2, "three"), Pair(3, "four")));
  EXPECT_TRUE(ReportedLastIn(1, 1));
}

TEST_F(SessionOutputTest, GoesBeforeTheReportWhateverItsSize) {
  constexpr uint64_t kTasks = 40;
  Start(4);
  for (uint64_t token = 1; token <= kTasks; ++token) {
    broker_.SendTask(TaskOf(token, token % 4 == 0 ? "talk" : "say_much",
                            std::string(300'000, static_cast<char>('a' + token % 26))));
    ASSERT_TRUE(broker_.WaitForCredit(static_cast<int>(token) + 1));
  }
  ASSERT_TRUE(broker_.WaitForReports(kTasks));
  for (uint64_t token = 1; token <= kTasks; ++token) {
    EXPECT_TRUE(ReportedLastIn(1, token)) << token;
    const std::vector<Entry> output = OutputIn(1, token);
    ASSERT_EQ(output.size(), 3) << token;
    for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(output[i].first, i);
  }
}

TEST_F(SessionOutputTest, WhatWasNotHandledIsSentAgainOverANewStream) {
  Start(2);
  broker_.SendTask(TaskOf(1, "talk_and_wait"));
  ASSERT_TRUE(WaitForOutputIn(1, 1, 3));
  broker_.SendOutputHandled(1, 2);
  WaitUntilHeard(2);
  broker_.Cut();
  ASSERT_TRUE(WaitForOutputIn(2, 1, 1));
  EXPECT_THAT(OutputIn(2, 1), ElementsAre(Pair(2, "three")));
  door_.Open();
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.report(1).has_value(); }));
  EXPECT_THAT(OutputIn(2, 1), ElementsAre(Pair(2, "three"), Pair(3, "four")));
}

TEST_F(SessionOutputTest, ThatOfAnEndedAttemptIsSentAgainBeforeItsReport) {
  Start(4);
  broker_.Acknowledge(false);
  broker_.SendTask(TaskOf(1, "say_much", std::string(300'000, 'x')));
  broker_.SendTask(TaskOf(2, "talk"));
  broker_.SendTask(TaskOf(3, "say_much", std::string(300'000, 'y')));
  ASSERT_TRUE(broker_.WaitForReports(3));
  broker_.Cut();
  ASSERT_TRUE(broker_.WaitForReports(6));
  for (const uint64_t token : {1, 2, 3}) {
    EXPECT_EQ(OutputIn(2, token).size(), 3) << token;
    EXPECT_TRUE(ReportedLastIn(2, token)) << token;
  }
}

TEST_F(SessionOutputTest, ThatOfAnAttemptWhoseReportIsAcknowledgedIsNotSentAgain) {
  Start(2);
  broker_.SendTask(TaskOf(1, "talk"));
  ASSERT_TRUE(broker_.WaitForReports(1));
  WaitUntilHeard(2);
  broker_.Acknowledge(false);
  broker_.Cut();
  ASSERT_TRUE(broker_.WaitForStreams(2));
  ASSERT_TRUE(broker_.WaitForCredit(2));
  broker_.SendTask(TaskOf(3, "talk"));
  ASSERT_TRUE(WaitForOutputIn(2, 3, 3));
  EXPECT_THAT(OutputIn(2, 1), ElementsAre());
}

TEST_F(SessionOutputTest, AnAttemptThatIsTooFarAheadWaitsForTheBroker) {
  Start(2);
  broker_.SendTask(TaskOf(1, "say_much", std::string(400'000, 'x')));
  ASSERT_TRUE(WaitForOutputIn(1, 1, 2));
  WaitUntilHeard(2);
  EXPECT_EQ(said_, 2);
  EXPECT_FALSE(broker_.report(1).has_value());
  broker_.SendOutputHandled(1, 1);
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.report(1).has_value(); }));
  EXPECT_EQ(OutputIn(1, 1).size(), 3);
}

TEST_F(SessionOutputTest, ARequestToStopEndsTheWaitAndWhatHasNoRoomIsDropped) {
  Start(1);
  broker_.SendTask(TaskOf(1, "say_much", std::string(400'000, 'x')));
  ASSERT_TRUE(WaitForOutputIn(1, 1, 2));
  broker_.SendStop(1, v1::STOP_REASON_CANCELLED);
  ASSERT_TRUE(broker_.WaitForReports(1));
  EXPECT_EQ(said_, 3);
  EXPECT_EQ(OutputIn(1, 1).size(), 2);
}

TEST_F(SessionOutputTest, WhatWasSaidUnderALostLeaseIsDropped) {
  Start(2);
  broker_.SendTask(TaskOf(1, "say_much", std::string(400'000, 'x')));
  broker_.SendTask(TaskOf(2, "talk_and_wait"));
  ASSERT_TRUE(WaitForOutputIn(1, 1, 2));
  ASSERT_TRUE(WaitForOutputIn(1, 2, 3));
  broker_.Revoke({1, 2});
  broker_.Cut();
  ASSERT_TRUE(broker_.WaitUntil([&] { return said_ == 3; })) << "it waits for ever";
  door_.Open();
  ASSERT_TRUE(broker_.WaitForStreams(2));
  ASSERT_TRUE(broker_.WaitForCredit(2));
  broker_.SendTask(TaskOf(3, "talk"));
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.report(3).has_value(); }));
  EXPECT_THAT(OutputIn(2, 1), ElementsAre());
  EXPECT_THAT(OutputIn(2, 2), ElementsAre());
  EXPECT_EQ(OutputIn(2, 3).size(), 3);
}

TEST_F(SessionOutputTest, ManyLinesShareAMessage) {
  live_.Handle("lines", [](TaskContext& context, std::string) {
    for (int i = 0; i < 10'000; ++i) context.Log("a line of a log");
    return AttemptResult::Succeeded("", "");
  });
  Start(1);
  broker_.SendTask(TaskOf(1, "lines"));
  ASSERT_TRUE(broker_.WaitForReports(1));
  EXPECT_EQ(OutputIn(1, 1).size(), 10'000);
  EXPECT_TRUE(ReportedLastIn(1, 1));
  size_t messages = 0;
  for (const FakeBroker::Message& message : broker_.messages()) {
    messages += message.request.output_size() > 0 ? 1 : 0;
    int64_t entries = 0;
    for (const v1::OutputReport& report : message.request.output()) {
      entries += report.entries_size();
    }
    EXPECT_LE(entries, limits::kOutputEntriesMax);
  }
  EXPECT_LT(messages, 2'000) << "a message for each few lines";
}

}  // namespace
}  // namespace treadle::worker
