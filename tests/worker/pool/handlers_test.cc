#include "worker/pool/handlers.h"

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/running_task.h"
#include "proto/support/trace_context.h"
#include "tests/worker/pool/recording_events.h"
#include "treadle/permanent_error.h"
#include "treadle/retry_after.h"
#include "worker/pool/attempt_task.h"
#include "worker/pool/client_slot.h"

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RowMissing : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Runs `handler` as one attempt.
AttemptResult RunOnce(Attempt& attempt, Handler handler) {
  Handlers handlers;
  handlers.Add(attempt.info().type, std::move(handler));
  RecordingEvents events;
  return RunHandler(handlers, attempt, events);
}

AttemptResult RunOnce(Handler handler) {
  return RunOnce(*NewAttempt(1, "type"), std::move(handler));
}

AttemptResult Success(TaskContext&, std::string) { return AttemptResult::Succeeded("done", ""); }

TEST(Handlers, AroundSeesEachCallAndItsEnd) {
  std::vector<std::string> seen;
  const auto run = [&](Handler handler, Handlers::Around around) {
    Handlers handlers;
    handlers.Add("type", std::move(handler));
    handlers.SetAround(std::move(around));
    RecordingEvents events;
    return RunHandler(handlers, *NewAttempt(1, "type"), events);
  };
  const auto watch = [&](TaskContext& context, absl::FunctionRef<absl::Status()> call) {
    seen.push_back(context.type());
    seen.push_back(call().ToString());
    call().IgnoreError();  // runs nothing a second time
  };
  EXPECT_EQ(run(Success, watch).bytes, "done");
  const auto fall = [](TaskContext&, std::string) -> AttemptResult { throw RowMissing("row 3"); };
  EXPECT_THAT(run(fall, watch).error_type, HasSubstr("RowMissing"));
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0], "type");
  EXPECT_EQ(seen[1], "OK");
  EXPECT_THAT(seen[3], HasSubstr("row 3"));
  const AttemptResult skipped =
      run(Success, [](TaskContext&, absl::FunctionRef<absl::Status()>) {});
  EXPECT_EQ(skipped.error_type, "NotCalled");
  const AttemptResult thrown = run(
      Success, [](TaskContext&, absl::FunctionRef<absl::Status()>) { throw RowMissing("around"); });
  EXPECT_EQ(thrown.error_message, "around");
}

TEST(Handlers, TheTaskOfAThreadIsKnownWhileItsHandlerRuns) {
  const auto look = [](TaskContext& context, std::string) {
    EXPECT_NE(RunningTask::Here(), nullptr);
    EXPECT_EQ(&RunningTask::Here()->headers(), &context.headers());
    return AttemptResult::Succeeded("", "");
  };
  EXPECT_EQ(RunOnce(look).end, AttemptEnd::kSucceeded);
  EXPECT_EQ(RunningTask::Here(), nullptr);
}

TEST(Handlers, ATypeHasOneHandler) {
  Handlers handlers;
  EXPECT_TRUE(handlers.Add("b", Success));
  EXPECT_TRUE(handlers.Add("a", Success));
  EXPECT_FALSE(handlers.Add("b", Success));
  EXPECT_THAT(handlers.Types(), ElementsAre("a", "b"));
  EXPECT_NE(handlers.Find("a"), nullptr);
  EXPECT_EQ(handlers.Find("c"), nullptr);
}

TEST(RunHandler, AnExceptionBecomesItsTypeAndWhatItSays) {
  const AttemptResult result =
      RunOnce([](TaskContext&, std::string) -> AttemptResult { throw RowMissing("row 7"); });
  EXPECT_EQ(result.end, AttemptEnd::kFailed);
  EXPECT_THAT(result.error_type, HasSubstr("RowMissing"));
  EXPECT_EQ(result.error_message, "row 7");
  EXPECT_FALSE(result.permanent);
}

TEST(RunHandler, WhateverIsThrownBecomesAnError) {
  EXPECT_EQ(RunOnce([](TaskContext&, std::string) -> AttemptResult { throw 7; }).error_type, "int");
}

TEST(RunHandler, APermanentErrorIsPermanent) {
  const AttemptResult result = RunOnce([](TaskContext&, std::string) -> AttemptResult {
    throw PermanentError("BadAddress", "no such street");
  });
  EXPECT_EQ(result.error_type, "BadAddress");
  EXPECT_EQ(result.error_message, "no such street");
  EXPECT_TRUE(result.permanent);
}

TEST(RunHandler, AHandlerMaySayWhenToTryAgain) {
  const AttemptResult thrown = RunOnce([](TaskContext&, std::string) -> AttemptResult {
    throw RetryAfterError(milliseconds(1'500), "Busy", "come back");
  });
  EXPECT_EQ(thrown.error_type, "Busy");
  EXPECT_EQ(thrown.error_message, "come back");
  EXPECT_FALSE(thrown.permanent);
  EXPECT_EQ(thrown.retry_after_ms, 1'500);
  const absl::Status busy = RetryAfter(absl::UnavailableError("busy"), std::chrono::seconds(30));
  EXPECT_EQ(RetryAfterOf(busy), milliseconds(30'000));
  EXPECT_EQ(AttemptResult::FromStatus(busy).retry_after_ms, 30'000);
  EXPECT_EQ(AttemptResult::FromStatus(absl::UnavailableError("")).retry_after_ms, std::nullopt);
}

TEST(RunHandler, WithoutAClientAskingForItFailsTheTask) {
  const AttemptResult result = RunOnce([](TaskContext& context, std::string) {
    context.client();
    return AttemptResult::Succeeded("", "");
  });
  EXPECT_TRUE(result.permanent);
  EXPECT_EQ(result.error_type, "treadle::NoClient");
  EXPECT_THAT(result.error_message, HasSubstr("connect_client"));
}

TEST(ClientSlot, IsFilledOnceAndTriesAgainAfterAFailure) {
  int calls = 0;
  const auto client = std::make_shared<int>(0);  // nobody looks into it
  ClientSlot slot([&]() -> absl::StatusOr<std::shared_ptr<Client>> {
    if (++calls == 1) return absl::UnavailableError("no broker");
    return std::shared_ptr<Client>(client, reinterpret_cast<Client*>(client.get()));
  });
  EXPECT_EQ(slot.made(), nullptr);
  EXPECT_THROW(slot.Get(), std::runtime_error);
  Client& got = slot.Get();
  EXPECT_EQ(&slot.Get(), &got);
  EXPECT_EQ(slot.made(), &got);
  EXPECT_EQ(calls, 2);
}

struct CountedChild final : ChildTask {
  void Cancel() override { ++cancelled; }
  int cancelled = 0;
};

TEST(AttemptTask, ChildrenAreCancelledWithTheirTask) {
  const ClientSlot no_client(nullptr);
  const AttemptPtr attempt = NewAttempt(1, "type");
  AttemptTask task(*attempt, no_client);
  const auto child = std::make_shared<CountedChild>();
  const auto ended = std::make_shared<CountedChild>();
  task.children()->Add(child);
  task.children()->Add(ended);
  EXPECT_EQ(task.children()->Remove(*ended), ended);
  attempt->RequestStop(StopReason::kCancelled);
  EXPECT_EQ(child->cancelled, 1);
  EXPECT_EQ(ended->cancelled, 0);
  const auto late = std::make_shared<CountedChild>();
  task.children()->Add(late);
  EXPECT_EQ(late->cancelled, 1);
}

TEST(AttemptTask, ChildrenGoOnWhenTheAttemptStopsForAnotherReasonOrEnds) {
  const ClientSlot no_client(nullptr);
  const auto child = std::make_shared<CountedChild>();
  const AttemptPtr lost = NewAttempt(1, "type");
  AttemptTask task(*lost, no_client);
  task.children()->Add(child);
  lost->RequestStop(StopReason::kLeaseLost);
  const AttemptPtr over = NewAttempt(2, "type");
  AttemptTask done(*over, no_client);
  const std::shared_ptr<ChildTasks> children = done.children();
  children->Add(child);
  done.End();
  over->RequestStop(StopReason::kCancelled);
  children->Add(child);
  EXPECT_EQ(child->cancelled, 0);
  EXPECT_EQ(child.use_count(), 2);  // of the one that runs still
  // What the handler has left on its loop may submit for the first time then.
  const AttemptPtr over_too = NewAttempt(3, "type");
  AttemptTask childless(*over_too, no_client);
  childless.End();
  childless.children()->Add(child);
  EXPECT_EQ(child.use_count(), 2);
}

TEST(AttemptResult, AStatusBecomesItsCodesName) {
  const AttemptResult result = AttemptResult::FromStatus(absl::NotFoundError("row 7"));
  EXPECT_EQ(result.error_type, "NOT_FOUND");
  EXPECT_EQ(result.error_message, "row 7");
  EXPECT_FALSE(result.permanent);
  EXPECT_TRUE(AttemptResult::FromStatus(Permanent(absl::NotFoundError("row 7"))).permanent);
}

TEST(RunHandler, AfterACancelAResultCountsAndAnErrorMeansItStopped) {
  const AttemptPtr attempt = NewAttempt(1, "type");
  attempt->RequestStop(StopReason::kCancelled);
  EXPECT_EQ(RunOnce(*attempt, Success).end, AttemptEnd::kSucceeded);
  const auto stops = [](TaskContext& context, std::string) -> AttemptResult {
    EXPECT_TRUE(context.stop_requested());
    throw std::runtime_error("told to stop");
  };
  EXPECT_EQ(RunOnce(*attempt, stops).end, AttemptEnd::kStopped);
}

TEST(RunHandler, AfterAShutdownAnErrorHandsTheTaskBack) {
  const AttemptPtr attempt = NewAttempt(1, "type");
  attempt->RequestStop(StopReason::kShutdown);
  EXPECT_EQ(RunOnce(*attempt, Success).end, AttemptEnd::kSucceeded);
  EXPECT_EQ(
      RunOnce(*attempt, [](TaskContext&, std::string) { return AttemptResult::Failed("X", ""); })
          .end,
      AttemptEnd::kReleased);
}

TEST(RunHandler, AnAttemptThatOverranItsTimeoutHasFailedWhateverItReturns) {
  AttemptInfo info;
  info.type = "type";
  info.timeout = milliseconds(250);
  const auto attempt = std::make_shared<Attempt>(AttemptId(), std::move(info), "");
  attempt->RequestStop(StopReason::kAttemptTimeout);
  const AttemptResult result = RunOnce(*attempt, Success);
  EXPECT_EQ(result.end, AttemptEnd::kFailed);
  EXPECT_EQ(result.error_type, "AttemptTimeout");
  EXPECT_THAT(result.error_message, HasSubstr("250 ms"));
  EXPECT_THAT(RunOnce(*attempt,
                      [](TaskContext&, std::string) -> AttemptResult {
                        throw std::runtime_error("half done");
                      })
                  .error_message,
              HasSubstr("std::runtime_error: half done"));
}

TEST(TaskContext, ShowsWhatTheTaskIs) {
  AttemptInfo info;
  info.queue = "mail";
  info.type = "type";
  info.content_type = "text/plain";
  info.headers = {{"traceparent", "00-1-2-3"}};
  info.attempt = 2;
  info.max_attempts = 5;
  info.priority = -7;
  Attempt attempt(AttemptId{"3f-1", 1}, std::move(info), "payload");
  RecordingEvents events;
  ClientSlot no_client(nullptr);
  TaskContext context(attempt, events, no_client);
  EXPECT_EQ(context.task_id(), "3f-1");
  EXPECT_EQ(context.queue(), "mail");
  EXPECT_EQ(context.type(), "type");
  EXPECT_EQ(context.content_type(), "text/plain");
  EXPECT_EQ(context.headers().at("traceparent"), "00-1-2-3");
  EXPECT_EQ(context.traceparent(), "");
  EXPECT_EQ(context.attempt(), 2);
  EXPECT_EQ(context.max_attempts(), 5);
  EXPECT_EQ(context.priority(), -7);
  EXPECT_EQ(context.stop_reason(), StopReason::kNone);
  EXPECT_EQ(context.time_left(), std::nullopt);
}

TEST(TaskContext, ShowsTheSpanOfTheAttempt) {
  const std::string given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  AttemptInfo info;
  info.headers = {{"traceparent", given}};
  info.attempt = 2;
  Attempt attempt(AttemptId{"3f-1", 1}, std::move(info), "payload");
  RecordingEvents events;
  ClientSlot no_client(nullptr);
  TaskContext context(attempt, events, no_client);
  EXPECT_EQ(context.traceparent(), AttemptTraceParent(given, "3f-1", 2));
  EXPECT_NE(context.traceparent(), "");
}

TEST(TaskContext, TheDeadlineIsTheEarlierOfTimeoutAndDeadline) {
  const auto now = steady_clock::now();
  const auto check = [now](int timeout_ms, int deadline_ms, int ends_by_ms, StopReason reason) {
    AttemptInfo info;
    info.timeout = milliseconds(timeout_ms);
    if (deadline_ms != 0) info.deadline = now + milliseconds(deadline_ms);
    Attempt attempt(AttemptId(), std::move(info), "");
    attempt.StartClock(now);
    EXPECT_EQ(attempt.ends_by().value_or(now), now + milliseconds(ends_by_ms));
    EXPECT_EQ(attempt.ends_by_reason(), reason);
  };
  check(0, 0, 0, StopReason::kNone);
  check(9, 0, 9, StopReason::kAttemptTimeout);
  check(0, 7, 7, StopReason::kDeadline);
  check(9, 7, 7, StopReason::kDeadline);
  check(5, 7, 5, StopReason::kAttemptTimeout);
}

TEST(TaskContext, TimeLeftNeverGoesBelowZero) {
  AttemptInfo info;
  info.deadline = steady_clock::now() - std::chrono::hours(1);
  Attempt attempt(AttemptId(), std::move(info), "");
  RecordingEvents events;
  ClientSlot no_client(nullptr);
  EXPECT_EQ(TaskContext(attempt, events, no_client).time_left(), milliseconds(0));
}

TEST(TaskContext, ASleepThatNobodyDisturbsLastsItsTime) {
  const AttemptPtr attempt = NewAttempt(1, "type");
  RecordingEvents events;
  const auto before = steady_clock::now();
  ClientSlot no_client(nullptr);
  EXPECT_TRUE(TaskContext(*attempt, events, no_client).SleepFor(milliseconds(5)));
  EXPECT_GE(steady_clock::now() - before, milliseconds(5));
}

TEST(TaskContext, MayHaveStoppedOnceItWasToldAndLooked) {
  const AttemptPtr attempt = NewAttempt(1, "type");
  RecordingEvents events;
  ClientSlot no_client(nullptr);
  TaskContext looks(*attempt, events, no_client);
  TaskContext does_not_look(*attempt, events, no_client);
  EXPECT_FALSE(looks.stop_requested());
  EXPECT_FALSE(looks.may_have_stopped());
  attempt->RequestStop(StopReason::kCancelled);
  EXPECT_TRUE(looks.may_have_stopped());
  EXPECT_FALSE(does_not_look.may_have_stopped());
}

}  // namespace
}  // namespace treadle::worker
