#include "worker/session/session.h"

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/limits.h"
#include "proto/wire/settings.h"
#include "tests/worker/fake_broker.h"
#include "tests/worker/live_session.h"
#include "tests/worker/pool/meeting.h"

// A worker at work: tasks, outcomes, starts, stops, progress. Lost streams are in
// session_reconnect_test.cc, the end in session_drain_test.cc.

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() : live_(broker_) {
    live_.Handle("echo", [](TaskContext&, std::string payload) {
      return AttemptResult::Succeeded(std::move(payload), "text/plain");
    });
    live_.Handle("wait", [this](TaskContext&, std::string) {
      EXPECT_TRUE(door_.Pass());
      return AttemptResult::Succeeded("waited", "");
    });
    live_.Handle("wait_for_stop", [this](TaskContext& context, std::string) {
      EXPECT_FALSE(context.SleepFor(kGenerous));
      reason_ = context.stop_reason();
      return AttemptResult::Failed("Told", "to stop");
    });
  }

  void Start(int slots, int prefetch) {
    live_.Start(slots, prefetch);
    ASSERT_TRUE(broker_.WaitForCredit(slots + prefetch));
  }

  v1::AttemptReport ReportOf(uint64_t token) {
    EXPECT_TRUE(broker_.WaitUntil([&] { return broker_.report(token).has_value(); }));
    return broker_.report(token).value_or(v1::AttemptReport());
  }

  FakeBroker broker_;
  Door door_;
  std::atomic<StopReason> reason_{StopReason::kNone};
  LiveSession live_;
};

TEST_F(SessionTest, TheHelloSaysWhoItIsAndWhatItTakes) {
  Start(3, 4);
  const v1::WorkerHello hello = broker_.hello(1);
  EXPECT_EQ(hello.worker_id(), "worker-id");
  EXPECT_EQ(hello.worker_name(), "worker-name");
  EXPECT_THAT(hello.queues(), ElementsAre("queue", "other"));
  ASSERT_THAT(hello.pools(), SizeIs(1));
  EXPECT_EQ(hello.pools(0).name(), "thread");
  EXPECT_EQ(hello.pools(0).slots(), 3);
  EXPECT_THAT(hello.pools(0).types(), ElementsAre("echo", "wait", "wait_for_stop"));
  EXPECT_THAT(hello.held_tokens(), SizeIs(0));
  EXPECT_EQ(broker_.credit(), 7);
}

TEST_F(SessionTest, ATaskRunsAndItsOutcomeComesWithNewCredit) {
  Start(1, 0);
  broker_.SendTask(TaskOf(7, "echo", "hello"));
  const v1::AttemptReport report = ReportOf(7);
  EXPECT_EQ(report.end(), v1::ATTEMPT_END_SUCCEEDED);
  EXPECT_EQ(report.result(), "hello");
  EXPECT_EQ(report.content_type(), "text/plain");
  const v1::AttachRequest message = broker_.messages().back().request;
  ASSERT_THAT(ReportsIn(message), SizeIs(1));
  EXPECT_EQ(message.report_sequence(), 1);
  ASSERT_THAT(message.credits(), SizeIs(1));
  EXPECT_EQ(message.credits(0).tasks(), 1);
}

TEST_F(SessionTest, TheHandlerSeesWhatTheTaskCarries) {
  v1::LeasedTask task = TaskOf(1, "look");
  task.set_queue("mail");
  task.set_content_type("text/plain");
  (*task.mutable_headers())["traceparent"] = "00-1";
  task.set_attempt(2);
  task.set_max_attempts(4);
  task.set_priority(-3);
  task.set_attempt_timeout_ms(5'000'000);
  task.set_deadline_in_ms(3'000'000);
  live_.Handle("look", [](TaskContext& context, std::string) {
    EXPECT_EQ(context.task_id(), "1-1");
    EXPECT_EQ(context.queue(), "mail");
    EXPECT_EQ(context.type(), "look");
    EXPECT_EQ(context.content_type(), "text/plain");
    EXPECT_EQ(context.headers().at("traceparent"), "00-1");
    EXPECT_EQ(context.attempt(), 2);
    EXPECT_EQ(context.max_attempts(), 4);
    EXPECT_EQ(context.priority(), -3);
    EXPECT_GT(context.time_left(), milliseconds(2'000'000));
    EXPECT_LE(context.time_left(), milliseconds(3'000'000));
    return AttemptResult::Succeeded("", "");
  });
  Start(1, 0);
  broker_.SendTask(task);
  EXPECT_EQ(ReportOf(1).end(), v1::ATTEMPT_END_SUCCEEDED);
}

TEST_F(SessionTest, ManyTasksTravelInFewMessages) {
  constexpr uint64_t kTasks = 5'000;
  Start(2, kTasks);
  v1::AttachResponse response;
  for (uint64_t token = 1; token <= kTasks; ++token) {
    *response.add_runs() = RunOf(TaskOf(token, "echo"));
  }
  broker_.Send(response);
  ASSERT_TRUE(broker_.WaitForReports(kTasks));
  std::set<uint64_t> tokens;
  for (const v1::AttemptReport& report : broker_.reports()) tokens.insert(report.token());
  EXPECT_THAT(tokens, SizeIs(kTasks));
  ASSERT_TRUE(broker_.WaitForCredit(static_cast<int>(2 + 2 * kTasks)));
  EXPECT_LT(broker_.messages().size(), kTasks / 2);
}

TEST_F(SessionTest, LargeResultsAreSpreadOverMessages) {
  live_.Handle("large", [](TaskContext&, std::string) {
    return AttemptResult::Succeeded(std::string(600'000, 'x'), "");
  });
  Start(4, 20);
  v1::AttachResponse response;
  for (uint64_t token = 1; token <= 20; ++token)
    *response.add_runs() = RunOf(TaskOf(token, "large"));
  broker_.Send(response);
  ASSERT_TRUE(broker_.WaitForReports(20));
  for (const FakeBroker::Message& message : broker_.messages()) {
    EXPECT_LT(message.request.ByteSizeLong(), 1'300'000);
  }
}

TEST_F(SessionTest, AFailureCarriesTypeAndMessageAsText) {
  std::string message(100'000, 'm');
  message.push_back('\xc0');
  live_.Handle("fail", [message](TaskContext&, std::string) {
    return AttemptResult::Failed("Bad\xFFType\n\xC2\x80", message, true);
  });
  Start(1, 0);
  broker_.SendTask(TaskOf(1, "fail"));
  const v1::AttemptReport report = ReportOf(1);
  EXPECT_EQ(report.end(), v1::ATTEMPT_END_FAILED);
  EXPECT_EQ(report.error().type(), "Bad\xEF\xBF\xBDType   ");
  EXPECT_LE(report.error().message().size(), 65'536);
  EXPECT_THAT(report.error().message(), HasSubstr(" [...] "));
  EXPECT_TRUE(report.error().permanent());
}

TEST_F(SessionTest, AFailureCarriesWhatAProgramCanRead) {
  v1::Welcome welcome;
  welcome.set_payload_bytes_max(10'000);
  broker_.Welcome(welcome);
  live_.Handle("fail", [](TaskContext&, std::string payload) {
    AttemptResult result = AttemptResult::Failed("ExitStatus", std::string(5'000, 'm'));
    result.bytes = std::move(payload);
    result.content_type = "text/plain";
    result.exit_code = 3;
    result.signal = 0;
    result.retry_after_ms = limits::kRetryDelayMsMax + 1;
    return result;
  });
  Start(1, 0);
  broker_.SendTask(TaskOf(1, "fail", std::string(8'000, 'd')));
  const v1::TaskError error = ReportOf(1).error();
  EXPECT_EQ(error.exit_code(), 3);
  EXPECT_TRUE(error.has_signal());
  EXPECT_EQ(error.retry_after_ms(), limits::kRetryDelayMsMax);
  EXPECT_EQ(error.details(), std::string(8'000, 'd'));
  EXPECT_EQ(error.details_type(), "text/plain");
  EXPECT_LE(error.message().size(), 2'000u) << "together they have a bound";
  EXPECT_THAT(error.message(), HasSubstr("m [...] m"));
  broker_.SendTask(TaskOf(2, "fail", std::string(9'000, 'd')));
  const v1::TaskError large = ReportOf(2).error();
  EXPECT_EQ(large.details(), "");
  EXPECT_THAT(large.message(), HasSubstr("9000 bytes of details are left out"));
}

TEST_F(SessionTest, ATypeThatNobodyHandlesFails) {
  Start(1, 0);
  broker_.SendTask(TaskOf(1, "unheard_of"));
  const v1::AttemptReport report = ReportOf(1);
  EXPECT_EQ(report.end(), v1::ATTEMPT_END_FAILED);
  EXPECT_EQ(report.error().type(), "HandlerNotFound");
  EXPECT_FALSE(report.error().permanent()) << "another worker may know it";
}

TEST_F(SessionTest, AResultOverTheBrokersBoundFails) {
  v1::Welcome welcome;
  welcome.set_payload_bytes_max(1'000);
  broker_.Welcome(welcome);
  Start(1, 0);
  broker_.SendTask(TaskOf(1, "echo", std::string(1'000, 'x')));
  EXPECT_EQ(ReportOf(1).end(), v1::ATTEMPT_END_SUCCEEDED);
  broker_.SendTask(TaskOf(2, "echo", std::string(1'001, 'x')));
  const v1::AttemptReport report = ReportOf(2);
  EXPECT_EQ(report.end(), v1::ATTEMPT_END_FAILED);
  EXPECT_EQ(report.error().type(), "ResultTooLarge");
  EXPECT_THAT(report.error().message(), AllOf(HasSubstr("1001 bytes"), HasSubstr("1000")));
}

TEST_F(SessionTest, TheStartOfALongTaskIsTold) {
  Start(1, 1);
  broker_.SendTask(TaskOf(1, "wait"));
  broker_.SendTask(TaskOf(2, "wait"));
  EXPECT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  EXPECT_FALSE(broker_.told_started(2)) << "it waits for the slot";
  door_.Open();
  ReportOf(2);
}

TEST_F(SessionTest, AStartToConfirmIsToldInAMessageBeforeTheOutcome) {
  Start(1, 0);
  for (uint64_t token = 1; token <= 20; ++token) {
    v1::LeasedTask task = TaskOf(token, "echo");
    task.set_confirm_start(true);
    broker_.SendTask(task);
    ReportOf(token);
    size_t started = 0, reported = 0;
    const std::vector<FakeBroker::Message> messages = broker_.messages();
    for (size_t i = 0; i < messages.size(); ++i) {
      for (const uint64_t start : messages[i].request.started_tokens()) {
        if (start == token) started = i;
      }
      for (const v1::AttemptReport& report : ReportsIn(messages[i].request)) {
        if (report.token() == token) reported = i;
      }
    }
    EXPECT_GT(started, 0);
    EXPECT_LT(started, reported);
  }
}

TEST_F(SessionTest, ProgressArrivesAndTheLatestWins) {
  live_.Handle("progress", [this](TaskContext& context, std::string) {
    for (int i = 0; i <= 1'000; ++i) context.ReportProgress(i / 1'000.0, std::to_string(i));
    EXPECT_TRUE(door_.Pass());
    return AttemptResult::Succeeded("", "");
  });
  Start(1, 0);
  broker_.SendTask(TaskOf(1, "progress"));
  std::vector<v1::ProgressReport> seen;
  EXPECT_TRUE(broker_.WaitUntil([&] {
    seen.clear();
    for (const FakeBroker::Message& message : broker_.messages()) {
      seen.insert(seen.end(), message.request.progress().begin(), message.request.progress().end());
    }
    return !seen.empty() && seen.back().progress().message() == "1000";
  }));
  EXPECT_EQ(seen.back().token(), 1);
  EXPECT_EQ(seen.back().progress().fraction(), 1);
  EXPECT_LT(seen.size(), 100);
  door_.Open();
  ReportOf(1);
}

TEST_F(SessionTest, ACancelReachesTheRunningHandler) {
  Start(1, 0);
  broker_.SendTask(TaskOf(1, "wait_for_stop"));
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  broker_.SendStop(1, v1::STOP_REASON_CANCELLED);
  EXPECT_EQ(ReportOf(1).end(), v1::ATTEMPT_END_STOPPED);
  EXPECT_EQ(reason_, StopReason::kCancelled);
}

TEST_F(SessionTest, ACancelledTaskThatWaitsForASlotEndsAtOnce) {
  Start(1, 1);
  broker_.SendTask(TaskOf(1, "wait"));
  broker_.SendTask(TaskOf(2, "wait"));
  broker_.SendStop(2, v1::STOP_REASON_CANCELLED);
  EXPECT_EQ(ReportOf(2).end(), v1::ATTEMPT_END_STOPPED);
  EXPECT_FALSE(broker_.report(1).has_value());
  door_.Open();
  EXPECT_EQ(ReportOf(1).end(), v1::ATTEMPT_END_SUCCEEDED);
}

TEST_F(SessionTest, ALostLeaseStopsTheHandlerAndItsOutcomeIsDropped) {
  Start(1, 0);
  broker_.SendTask(TaskOf(1, "wait_for_stop"));
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  broker_.SendStop(1, v1::STOP_REASON_LEASE_LOST);
  ASSERT_TRUE(broker_.WaitForCredit(2)) << "the slot is free again";
  EXPECT_EQ(reason_, StopReason::kLeaseLost);
  broker_.SendTask(TaskOf(2, "echo"));
  ReportOf(2);
  EXPECT_FALSE(broker_.report(1).has_value());
}

TEST_F(SessionTest, ATaskMayArriveTogetherWithTheWordToStopIt) {
  Start(1, 1);
  broker_.SendTask(TaskOf(1, "wait"));
  v1::AttachResponse response;
  *response.add_runs() = RunOf(TaskOf(2, "wait"));
  response.add_stops()->set_token(2);
  broker_.Send(response);
  EXPECT_EQ(ReportOf(2).end(), v1::ATTEMPT_END_STOPPED);
  door_.Open();
}

TEST_F(SessionTest, AReportThatTheBrokerCannotTakeBecomesAFailure) {
  Start(1, 5);
  broker_.SendTask(TaskOf(1, "echo"));
  ReportOf(1);
  v1::AttachResponse response;
  v1::ReportResult& refused = *response.add_refused_reports();
  refused.set_token(1);
  refused.mutable_status()->set_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
  refused.mutable_status()->set_message("result: too large for you");
  broker_.Send(response);
  ASSERT_TRUE(broker_.WaitForReports(2));
  EXPECT_EQ(broker_.reports()[1].token(), 1);
  EXPECT_EQ(broker_.reports()[1].end(), v1::ATTEMPT_END_FAILED);
  EXPECT_EQ(broker_.reports()[1].error().type(), "ReportRefused");
  EXPECT_EQ(broker_.reports()[1].error().message(), "result: too large for you");
  broker_.Send(response);  // twice would be for ever
  refused.set_token(9);
  refused.mutable_status()->set_code(static_cast<int>(absl::StatusCode::kAborted));
  broker_.Send(response);
  broker_.SendTask(TaskOf(2, "echo"));
  ReportOf(2);
  EXPECT_EQ(broker_.reports().size(), 3);
}

TEST_F(SessionTest, AnAttemptTimeoutIsEnforcedHere) {
  Start(1, 0);
  v1::LeasedTask task = TaskOf(1, "wait_for_stop");
  task.set_attempt_timeout_ms(30);
  broker_.SendTask(task);
  const v1::AttemptReport report = ReportOf(1);
  EXPECT_EQ(report.end(), v1::ATTEMPT_END_FAILED);
  EXPECT_EQ(report.error().type(), "AttemptTimeout");
  EXPECT_EQ(reason_, StopReason::kAttemptTimeout);
}

TEST_F(SessionTest, TheTimeoutCountsFromTheStartNotFromTheArrival) {
  Start(1, 1);
  broker_.SendTask(TaskOf(1, "wait"));
  v1::LeasedTask task = TaskOf(2, "wait_for_stop");
  task.set_attempt_timeout_ms(1);
  broker_.SendTask(task);
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  EXPECT_FALSE(broker_.report(2).has_value());
  door_.Open();
  EXPECT_EQ(ReportOf(2).error().type(), "AttemptTimeout");
  EXPECT_EQ(reason_, StopReason::kAttemptTimeout) << "it ran";
}

TEST_F(SessionTest, ADeadlineIsEnforcedHere) {
  Start(1, 0);
  v1::LeasedTask task = TaskOf(1, "wait_for_stop");
  task.set_deadline_in_ms(50);
  broker_.SendTask(task);
  EXPECT_EQ(ReportOf(1).end(), v1::ATTEMPT_END_STOPPED);
  EXPECT_EQ(reason_, StopReason::kDeadline);
}

TEST_F(SessionTest, HeartbeatsGoOnWhileEveryThreadIsBusy) {
  Start(2, 0);
  broker_.SendTask(TaskOf(1, "wait"));
  broker_.SendTask(TaskOf(2, "wait"));
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(2); }));
  const size_t before = broker_.messages().size();
  EXPECT_TRUE(broker_.WaitUntil([&] { return broker_.messages().size() >= before + 3; }));
  EXPECT_EQ(broker_.streams(), 1);
  door_.Open();
}

TEST_F(SessionTest, HowHandlersFareIsToldThoughThereIsNothingElseToSay) {
  v1::Welcome quiet;
  quiet.set_heartbeat_ms(wire::kIdleHeartbeatMs);
  broker_.Welcome(quiet);
  Start(1, 0);
  const auto told_at = std::chrono::steady_clock::now();
  HandlerStatsList handlers;
  handlers.Add()->set_type("echo");
  live_.session().TellHandlers(handlers);
  EXPECT_TRUE(broker_.WaitUntil([&] {
    const std::vector<FakeBroker::Message> messages = broker_.messages();
    return messages.back().request.handlers_size() == 1;
  }));
  EXPECT_LT(std::chrono::steady_clock::now() - told_at,
            milliseconds(wire::kIdleHeartbeatMs * 2 / 3));
}

TEST_F(SessionTest, MoreTasksThanCreditAreHandedBack) {
  Start(1, 1);
  v1::AttachResponse response;
  for (uint64_t token = 1; token <= 5; ++token) *response.add_runs() = RunOf(TaskOf(token, "wait"));
  broker_.Send(response);
  for (uint64_t token = 3; token <= 5; ++token) {
    EXPECT_EQ(ReportOf(token).end(), v1::ATTEMPT_END_RELEASED);
  }
  door_.Open();
  EXPECT_EQ(ReportOf(2).end(), v1::ATTEMPT_END_SUCCEEDED);
  EXPECT_TRUE(broker_.WaitForCredit(4));
  EXPECT_EQ(broker_.credit(), 4) << "nothing is owed for what was not asked for";
}

TEST_F(SessionTest, GarbageFromTheBrokerDoesNoHarm) {
  Start(1, 5);
  v1::AttachResponse response;
  response.set_handled_report_sequence(1'000'000);
  v1::ReportResult& refused = *response.add_refused_reports();
  refused.set_token(99);
  v1::StopNotice& stop = *response.add_stops();
  stop.set_token(77);
  stop.set_reason(static_cast<v1::StopReason>(66));
  v1::LeasedTask empty;
  empty.set_task_id("1-9");
  empty.set_attempt_timeout_ms(-5);
  empty.set_deadline_in_ms(INT64_MIN);
  *response.add_runs() = RunOf(empty);
  broker_.Send(response);
  EXPECT_EQ(ReportOf(0).error().type(), "HandlerNotFound");
  broker_.SendTask(TaskOf(1, "echo"));
  broker_.SendTask(TaskOf(1, "echo"));
  v1::LeasedTask endless = TaskOf(2, "echo");
  endless.set_attempt_timeout_ms(INT64_MAX);
  endless.set_deadline_in_ms(INT64_MAX);
  broker_.SendTask(endless);
  EXPECT_EQ(ReportOf(2).end(), v1::ATTEMPT_END_SUCCEEDED);
}

}  // namespace
}  // namespace treadle::worker
