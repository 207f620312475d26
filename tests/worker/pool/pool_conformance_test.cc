#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/pool/live_pools.h"
#include "tests/worker/pool/recording_events.h"
#include "worker/pool/handlers.h"

// What every pool promises (worker/pool/pool.h), for every pool that there is.

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PoolConformance : public ::testing::TestWithParam<PoolKind> {
 protected:
  PoolConformance() {
    (GetParam().coroutines ? AddStageCoroutines : AddStageHandlers)(*handlers_, stage_);
  }

  void Start(PoolShape shape) { live_ = GetParam().start(shape, handlers_, events_); }
  Pool& pool() { return live_->pool(); }
  size_t Submit(std::vector<AttemptPtr> attempts) { return pool().Submit(attempts); }
  size_t SubmitOne(uint64_t token, const std::string& type) {
    return Submit(NewAttempts(token, 1, type));
  }
  void OpenDoor() { stage_->door_open = true; }

  const std::shared_ptr<Stage> stage_ = Stage::New();
  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
  const std::shared_ptr<RecordingEvents> events_ = std::make_shared<RecordingEvents>();
  std::unique_ptr<LivePool> live_;
};

TEST_P(PoolConformance, ReturnsWhatTheHandlerReturns) {
  Start({1, 0});
  ASSERT_EQ(Submit({NewAttempt(7, "echo", "hello")}), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  const AttemptResult result = events_->result(7);
  EXPECT_EQ(result.end, AttemptEnd::kSucceeded);
  EXPECT_EQ(result.bytes, "hello");
  EXPECT_EQ(result.content_type, "text/plain");
}

TEST_P(PoolConformance, EachAttemptEndsExactlyOnce) {
  constexpr size_t kSubmitters = 4, kEach = 500;
  Start({3, 100});
  std::vector<std::thread> submitters;
  for (size_t s = 0; s < kSubmitters; ++s) {
    submitters.emplace_back([this, s] {
      std::vector<AttemptPtr> attempts = NewAttempts(1 + s * kEach, kEach, "echo");
      std::span<AttemptPtr> rest(attempts);
      while (!rest.empty()) {
        rest = rest.subspan(pool().Submit(rest.first(std::min<size_t>(rest.size(), 17))));
        std::this_thread::yield();
      }
    });
  }
  for (std::thread& submitter : submitters) submitter.join();
  ASSERT_TRUE(events_->WaitForEnded(kSubmitters * kEach));
  std::vector<uint64_t> ended = events_->ended();
  std::sort(ended.begin(), ended.end());
  ASSERT_EQ(ended.size(), kSubmitters * kEach);
  for (size_t i = 0; i < ended.size(); ++i) ASSERT_EQ(ended[i], i + 1);
}

TEST_P(PoolConformance, AttemptsBeginInTheOrderOfSubmission) {
  Start({1, 1000});
  ASSERT_EQ(Submit(NewAttempts(1, 500, "echo")), 500);
  ASSERT_EQ(Submit(NewAttempts(501, 300, "echo")), 300);
  ASSERT_TRUE(events_->WaitForEnded(800));
  const std::vector<uint64_t> begun = events_->begun();
  EXPECT_TRUE(std::is_sorted(begun.begin(), begun.end()));
  EXPECT_EQ(begun.size(), 800);
}

TEST_P(PoolConformance, AllSlotsWorkAtTheSameTime) {
  Start({4, 0});
  ASSERT_EQ(Submit({NewAttempt(1, "meet", "4"), NewAttempt(2, "meet", "4"),
                    NewAttempt(3, "meet", "4"), NewAttempt(4, "meet", "4")}),
            4);
  ASSERT_TRUE(events_->WaitForEnded(4));
  for (uint64_t token = 1; token <= 4; ++token) EXPECT_EQ(events_->result(token).bytes, "met");
}

TEST_P(PoolConformance, NeverMoreAtOnceThanThereAreSlots) {
  Start({3, 1000});
  ASSERT_EQ(Submit(NewAttempts(1, 1000, "count")), 1000);
  ASSERT_TRUE(events_->WaitForEnded(1000));
  EXPECT_LE(stage_->most_running, 3);
}

TEST_P(PoolConformance, TakesNoMoreThanItHasRoomFor) {
  Start({1, 2});
  EXPECT_EQ(Submit(NewAttempts(1, 5, "wait")), 3);
  ASSERT_TRUE(events_->WaitForBegun(1));
  EXPECT_EQ(SubmitOne(6, "wait"), 0);
  OpenDoor();
  ASSERT_TRUE(events_->WaitForEnded(3));
  EXPECT_EQ(SubmitOne(7, "wait"), 1);
  ASSERT_TRUE(events_->WaitForEnded(4));
}

TEST_P(PoolConformance, ASlotIsFreeWhenTheEndIsTold) {
  Start({1, 0});
  for (uint64_t token = 1; token <= 200; ++token) {
    ASSERT_EQ(SubmitOne(token, "echo"), 1) << token;
    ASSERT_TRUE(events_->WaitForEnded(token));
  }
}

TEST_P(PoolConformance, AHandlerThatThrowsCostsItsOwnAttemptOnly) {
  Start({1, 10});
  ASSERT_EQ(Submit({NewAttempt(1, "throw"), NewAttempt(2, "echo", "still here")}), 2);
  ASSERT_TRUE(events_->WaitForEnded(2));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kFailed);
  EXPECT_EQ(events_->result(1).error_type, "std::out_of_range");
  EXPECT_EQ(events_->result(1).error_message, "no such row");
  EXPECT_EQ(events_->result(2).bytes, "still here");
}

TEST_P(PoolConformance, ATypeWithoutHandlerFails) {
  Start({1, 0});
  ASSERT_EQ(SubmitOne(1, "unheard_of"), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kFailed);
  EXPECT_EQ(events_->result(1).error_type, "HandlerNotFound");
  EXPECT_THAT(events_->result(1).error_message, HasSubstr("'unheard_of'"));
}

TEST_P(PoolConformance, AnAttemptThatMustNotBeginDoesNotRun) {
  events_->Refuse();
  Start({1, 0});
  ASSERT_EQ(SubmitOne(1, "mark"), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kStopped);
  EXPECT_EQ(stage_->marks, 0);
}

TEST_P(PoolConformance, AWaitingAttemptThatIsStoppedEndsAtOnceWithoutRunning) {
  Start({1, 3});
  std::vector<AttemptPtr> attempts = NewAttempts(1, 4, "wait");
  const std::vector<AttemptPtr> kept = attempts;
  ASSERT_EQ(pool().Submit(attempts), 4);
  ASSERT_TRUE(events_->WaitForBegun(1));
  pool().Stop(kept[2], StopReason::kCancelled);
  EXPECT_THAT(events_->ended(), ElementsAre(3));
  EXPECT_EQ(events_->result(3).end, AttemptEnd::kStopped);
  EXPECT_EQ(SubmitOne(5, "wait"), 1) << "its place in the line is free";
  OpenDoor();
  ASSERT_TRUE(events_->WaitForEnded(5));
  EXPECT_THAT(events_->begun(), ElementsAre(1, 2, 4, 5));
}

TEST_P(PoolConformance, ARunningAttemptThatIsStoppedIsToldByItsToken) {
  Start({1, 0});
  const AttemptPtr attempt = NewAttempt(1, "wait_for_stop");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(events_->WaitForBegun(1));
  pool().Stop(attempt, StopReason::kCancelled);
  pool().Stop(attempt, StopReason::kDeadline);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kStopped);
  EXPECT_EQ(attempt->stop_reason(), StopReason::kCancelled) << "the first reason stays";
}

TEST_P(PoolConformance, StoppingWhatHasEndedChangesNothing) {
  Start({1, 0});
  const AttemptPtr attempt = NewAttempt(1, "echo");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  pool().Stop(attempt, StopReason::kCancelled);
  pool().Stop(NewAttempt(9, "echo"), StopReason::kCancelled);
  ASSERT_EQ(SubmitOne(2, "echo"), 1);
  ASSERT_TRUE(events_->WaitForEnded(2));
  EXPECT_THAT(events_->ended(), ElementsAre(1, 2));
}

TEST_P(PoolConformance, StopsThatRaceWithTheRunLoseNothing) {
  constexpr size_t kAttempts = 2000;
  Start({2, kAttempts});
  std::vector<AttemptPtr> attempts = NewAttempts(1, kAttempts, "echo");
  const std::vector<AttemptPtr> kept = attempts;
  std::thread stopper([this, &kept] {
    for (size_t i = 0; i < kept.size(); i += 3) pool().Stop(kept[i], StopReason::kCancelled);
  });
  std::span<AttemptPtr> rest(attempts);
  while (!rest.empty()) {
    rest = rest.subspan(pool().Submit(rest.first(std::min<size_t>(rest.size(), 10))));
  }
  stopper.join();
  ASSERT_TRUE(events_->WaitForEnded(kAttempts));
  std::vector<uint64_t> ended = events_->ended();
  std::sort(ended.begin(), ended.end());
  EXPECT_EQ(std::unique(ended.begin(), ended.end()), ended.end());
  EXPECT_EQ(ended.size(), kAttempts);
}

TEST_P(PoolConformance, TakeBackReturnsWhatWaitsTheLastFirst) {
  Start({1, 10});
  ASSERT_EQ(Submit(NewAttempts(1, 6, "wait")), 6);
  ASSERT_TRUE(events_->WaitForBegun(1));
  const auto take_back = [this](size_t count) {
    std::vector<uint64_t> tokens;
    for (const AttemptPtr& attempt : pool().TakeBack(count)) {
      tokens.push_back(attempt->token());
    }
    return tokens;
  };
  EXPECT_THAT(take_back(0), ElementsAre());
  EXPECT_THAT(take_back(2), ElementsAre(6, 5));
  EXPECT_EQ(SubmitOne(7, "wait"), 1) << "the pool is open";
  EXPECT_THAT(take_back(100), ElementsAre(7, 4, 3, 2));
  EXPECT_THAT(take_back(100), ElementsAre());
  OpenDoor();
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(pool().Shutdown(kGenerous), 0);
  EXPECT_THAT(events_->ended(), ElementsAre(1));
}

TEST_P(PoolConformance, AClosedPoolTakesNothingAndFinishesWhatItHas) {
  Start({1, 10});
  ASSERT_EQ(Submit(NewAttempts(1, 4, "wait")), 4);
  pool().Close();
  EXPECT_EQ(SubmitOne(5, "wait"), 0);
  OpenDoor();
  ASSERT_TRUE(events_->WaitForEnded(4));
}

TEST_P(PoolConformance, ShutdownReleasesWhatWaitsAndStopsWhatRuns) {
  Start({1, 10});
  ASSERT_EQ(Submit(NewAttempts(1, 3, "wait_for_stop")), 3);
  ASSERT_TRUE(events_->WaitForBegun(1));
  EXPECT_EQ(pool().Shutdown(kGenerous), 0);
  EXPECT_EQ(events_->ended().size(), 3);
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kReleased) << "it stopped for the shutdown";
  EXPECT_EQ(events_->result(2).end, AttemptEnd::kReleased);
  EXPECT_EQ(events_->result(3).end, AttemptEnd::kReleased);
  EXPECT_EQ(events_->begun().size(), 1);
  EXPECT_EQ(SubmitOne(4, "echo"), 0);
  EXPECT_EQ(pool().Shutdown(milliseconds(0)), 0);
}

TEST_P(PoolConformance, ShutdownOfAnIdlePoolAbandonsNothing) {
  Start({8, 0});
  EXPECT_EQ(pool().Shutdown(milliseconds(0)), 0);
}

TEST_P(PoolConformance, AHandlerThatDoesNotStopIsAbandonedAndEndsLater) {
  if (GetParam().ends_by_force) GTEST_SKIP() << "this pool abandons nothing";
  Start({2, 0});
  ASSERT_EQ(SubmitOne(1, "wait"), 1);
  ASSERT_TRUE(events_->WaitForBegun(1));
  EXPECT_EQ(pool().Shutdown(milliseconds(1)), 1);
  live_.reset();
  EXPECT_TRUE(events_->ended().empty());
  OpenDoor();
  ASSERT_TRUE(events_->WaitForEnded(1));
}

TEST_P(PoolConformance, SubmitsThatRaceWithShutdownAreEitherTakenOrLeft) {
  Start({2, 50});
  std::atomic<size_t> taken = 0;
  std::thread submitter([this, &taken] {
    for (uint64_t token = 1; token <= 20'000; token += 10) {
      taken += Submit(NewAttempts(token, 10, "echo"));
    }
  });
  ASSERT_TRUE(events_->WaitForEnded(50));
  EXPECT_EQ(pool().Shutdown(kGenerous), 0);
  submitter.join();
  EXPECT_EQ(events_->ended().size(), taken);
}

TEST_P(PoolConformance, ProgressGoesOutWhileTheHandlerRuns) {
  Start({1, 0});
  ASSERT_EQ(SubmitOne(1, "report"), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_THAT(events_->progress(), ElementsAre(std::tuple(1, 0.5, "half way")));
}

TEST_P(PoolConformance, OutputGoesOutInOrderBeforeTheEnd) {
  Start({1, 0});
  ASSERT_EQ(SubmitOne(1, "say"), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  const std::vector<OutputEntry> output = events_->output(1);
  ASSERT_EQ(output.size(), 3);
  EXPECT_EQ(output[0].kind, OutputKind::kLog);
  EXPECT_EQ(output[0].data, "line");
  EXPECT_EQ(output[1].kind, OutputKind::kStandardError);
  EXPECT_EQ(output[1].data, "error");
  EXPECT_EQ(output[2].kind, OutputKind::kPart);
  EXPECT_EQ(output[2].data, "part");
  EXPECT_EQ(output[2].content_type, "text/plain");
  EXPECT_GT(output[0].time_ms, 0);
  EXPECT_LE(output[0].time_ms, output[2].time_ms);
}

TEST_P(PoolConformance, AHandlerThatHasMoreToSayThanThereIsRoomForWaits) {
  events_->FillUp();
  Start({1, 0});
  ASSERT_EQ(SubmitOne(1, "say"), 1);
  ASSERT_TRUE(events_->WaitForRefused(1));
  EXPECT_THAT(events_->ended(), ElementsAre());
  events_->MakeRoom();
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->output(1).size(), 3);
  EXPECT_EQ(events_->result(1).bytes, "said");
}

TEST_P(PoolConformance, ARequestToStopEndsTheWaitForRoom) {
  events_->FillUp();
  Start({1, 0});
  const AttemptPtr attempt = NewAttempt(1, "say");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(events_->WaitForRefused(1));
  pool().Stop(attempt, StopReason::kCancelled);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).bytes, "said");
  EXPECT_EQ(events_->output(1).size(), 0);
}

TEST_P(PoolConformance, AHandlerThatDoesNotStopIsEndedByForceWhereThatCanBe) {
  if (!GetParam().ends_by_force) GTEST_SKIP() << "this pool abandons it";
  Start({2, 0});
  ASSERT_EQ(SubmitOne(1, "wait"), 1);
  ASSERT_TRUE(events_->WaitForBegun(1));
  EXPECT_EQ(pool().Shutdown(milliseconds(1)), 0);
  ASSERT_THAT(events_->ended(), ElementsAre(1));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kReleased);
}

TEST_P(PoolConformance, AHandlerSeesWhatTheTaskIs) {
  Start({1, 0});
  AttemptInfo info;
  info.queue = "mail";
  info.type = "describe";
  info.content_type = "text/plain";
  info.headers = {{"a", "1"}, {"b", ""}};
  info.attempt = 2;
  info.max_attempts = 5;
  info.priority = -7;
  info.timeout = std::chrono::hours(1);
  ASSERT_EQ(Submit({std::make_shared<Attempt>(AttemptId{"3f-1", 1}, std::move(info), "")}), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).bytes,
            "3f-1 mail describe text/plain attempt 2/5 priority -7 bounded 1 a=1 b=");
}

TEST_P(PoolConformance, AnAttemptThatWaitsForItsConfirmationDoesNotHoldUpTheOthers) {
  Start({2, 10});
  AttemptInfo info;
  info.type = "echo";
  info.confirm_start = true;
  events_->HoldConfirmations();
  ASSERT_EQ(Submit({std::make_shared<Attempt>(AttemptId{"", 1}, std::move(info), ""),
                    NewAttempt(2, "echo"), NewAttempt(3, "echo")}),
            3);
  ASSERT_TRUE(events_->WaitForEnded(2));
  EXPECT_THAT(events_->ended(), ElementsAre(2, 3));
  events_->Confirm();
  ASSERT_TRUE(events_->WaitForEnded(3));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kSucceeded);
}

TEST_P(PoolConformance, AnAttemptThatOverrunsItsTimeoutHasFailed) {
  Start({1, 0});
  const AttemptPtr attempt = NewAttempt(1, "wait_for_stop");
  ASSERT_EQ(Submit({attempt}), 1);
  ASSERT_TRUE(events_->WaitForBegun(1));
  pool().Stop(attempt, StopReason::kAttemptTimeout);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).error_type, "AttemptTimeout");
  EXPECT_THAT(events_->result(1).error_message, HasSubstr("Told: attempt timeout"));
}

TEST_P(PoolConformance, RunsAreMeasured) {
  Start({1, 10});
  ASSERT_EQ(Submit(NewAttempts(1, 5, "echo")), 5);
  ASSERT_TRUE(events_->WaitForEnded(5));
  const HandlerMeter& meter = *handlers_->MeterOf("echo");
  EXPECT_EQ(meter.runs(), 5);
  EXPECT_EQ(meter.measured(), 5);
  EXPECT_GT(meter.times().wall_ns, 0);
}

INSTANTIATE_TEST_SUITE_P(Pools, PoolConformance, ::testing::ValuesIn(AllPoolKinds()),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace treadle::worker
