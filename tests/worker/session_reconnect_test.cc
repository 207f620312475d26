#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/fake_broker.h"
#include "tests/worker/live_session.h"
#include "tests/worker/pool/meeting.h"
#include "worker/session/session.h"

// Streams that are lost, and brokers that are away.

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class SessionReconnectTest : public ::testing::Test {
 protected:
  SessionReconnectTest() : live_(broker_) {
    live_.Handle("echo", [](TaskContext&, std::string payload) {
      return AttemptResult::Succeeded(std::move(payload), "");
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

  // Of one stream.
  std::vector<v1::AttemptReport> ReportsIn(int stream) {
    std::vector<v1::AttemptReport> reports;
    for (const FakeBroker::Message& message : broker_.messages()) {
      if (message.stream != stream) continue;
      const std::vector<v1::AttemptReport> more = treadle::worker::ReportsIn(message.request);
      reports.insert(reports.end(), more.begin(), more.end());
    }
    return reports;
  }
  bool WaitForReportsIn(int stream, size_t count) {
    return broker_.WaitUntil([&] { return ReportsIn(stream).size() >= count; });
  }
  // By token: was it named as started?
  std::map<uint64_t, bool> HeldIn(int stream) {
    std::map<uint64_t, bool> held;
    for (const FakeBroker::Message& message : broker_.messages()) {
      if (message.stream != stream || !message.request.has_hello()) continue;
      for (const uint64_t token : message.request.hello().held_tokens()) held[token] = false;
      for (const uint64_t token : message.request.started_tokens()) held.at(token) = true;
    }
    return held;
  }

  FakeBroker broker_;
  Door door_;
  std::atomic<StopReason> reason_{StopReason::kNone};
  LiveSession live_;
};

TEST_F(SessionReconnectTest, ADiskOfTheBrokersThatHangsIsLoggedOnceAndWhenItIsOver) {
  std::mutex mutex;
  std::vector<std::string> lines;
  live_.options.log = [&](LogLevel, std::string_view line) {
    const std::lock_guard lock(mutex);
    if (line.find("disk") != std::string_view::npos) lines.emplace_back(line);
  };
  const auto logged = [&] {
    const std::lock_guard lock(mutex);
    return lines;
  };
  Start(1, 0);
  v1::AttachResponse hangs;
  hangs.set_disk_hung_ms(12'345);
  for (int i = 0; i < 3; ++i) broker_.Send(hangs);
  ASSERT_TRUE(broker_.WaitUntil([&] { return !logged().empty(); }));
  // Heartbeats go on, and do not tell it.
  ASSERT_TRUE(broker_.WaitUntil([&] { return logged().size() >= 2; }));
  EXPECT_THAT(logged(), ElementsAre(HasSubstr("the broker's disk has not answered for 12 s"),
                                    "the broker's disk answers again"));
}

TEST_F(SessionReconnectTest, RunningTasksGoOnAndAreNamed) {
  Start(1, 2);
  broker_.SendTask(TaskOf(1, "wait"));
  broker_.SendTask(TaskOf(2, "wait"));
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  broker_.Cut();
  ASSERT_TRUE(broker_.WaitForStreams(2));
  ASSERT_TRUE(broker_.WaitForCredit(1)) << "slots and prefetch, but for what is here already";
  EXPECT_EQ(broker_.credit(), 1);
  EXPECT_EQ(broker_.hello(2).worker_id(), "worker-id");
  EXPECT_EQ(HeldIn(2), (std::map<uint64_t, bool>{{1, true}, {2, false}}));
  door_.Open();
  ASSERT_TRUE(WaitForReportsIn(2, 2));
  EXPECT_EQ(ReportsIn(2)[0].token(), 1);
  EXPECT_EQ(ReportsIn(2)[0].end(), v1::ATTEMPT_END_SUCCEEDED);
  EXPECT_EQ(ReportsIn(2)[1].token(), 2);
}

TEST_F(SessionReconnectTest, ReportsThatWereNotAcknowledgedAreSentAgain) {
  Start(1, 9);
  broker_.SendTask(TaskOf(1, "echo", "one"));
  ASSERT_TRUE(broker_.WaitForReports(1));
  broker_.Acknowledge(false);
  broker_.SendTask(TaskOf(2, "echo", "two"));
  ASSERT_TRUE(broker_.WaitForReports(2));
  broker_.SendTask(TaskOf(3, "echo", "three"));
  ASSERT_TRUE(broker_.WaitForReports(3));
  broker_.Cut();
  ASSERT_TRUE(WaitForReportsIn(2, 2));
  EXPECT_EQ(HeldIn(2), (std::map<uint64_t, bool>{{2, false}, {3, false}}));
  EXPECT_EQ(ReportsIn(2)[0].token(), 2);
  EXPECT_EQ(ReportsIn(2)[0].result(), "two");
  EXPECT_EQ(ReportsIn(2)[1].token(), 3);
  for (const FakeBroker::Message& message : broker_.messages()) {
    if (message.stream != 2 || treadle::worker::ReportsIn(message.request).empty()) continue;
    EXPECT_GE(message.request.report_sequence(), 1);
    EXPECT_LE(message.request.report_sequence(), 2) << "each stream counts from 1";
  }

  broker_.Acknowledge(true);
  broker_.Cut();
  ASSERT_TRUE(WaitForReportsIn(3, 2));
  // Acknowledged now: a stream that begins after the acknowledgement has arrived holds nothing.
  ASSERT_TRUE(broker_.WaitUntil([&] {
    const int stream = broker_.streams();
    broker_.Cut();
    return broker_.WaitForStreams(stream + 1) && broker_.WaitForCredit(10);
  }));
  const int last = broker_.streams();
  EXPECT_THAT(broker_.hello(last).held_tokens(), SizeIs(0));
  EXPECT_THAT(ReportsIn(last), SizeIs(0));
}

TEST_F(SessionReconnectTest, RevokedLeasesAreStoppedAndNeverReported) {
  Start(1, 5);
  broker_.SendTask(TaskOf(1, "wait_for_stop"));
  broker_.SendTask(TaskOf(2, "echo"));
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  broker_.Revoke({1, 2});
  broker_.Cut();
  ASSERT_TRUE(broker_.WaitForStreams(2));
  ASSERT_TRUE(broker_.WaitForCredit(6));
  EXPECT_EQ(reason_, StopReason::kLeaseLost);
  broker_.SendTask(TaskOf(3, "echo"));
  ASSERT_TRUE(broker_.WaitForReports(1));
  EXPECT_EQ(broker_.reports()[0].token(), 3);
}

TEST_F(SessionReconnectTest, AReportForARevokedLeaseIsDropped) {
  Start(1, 5);
  broker_.Acknowledge(false);
  broker_.SendTask(TaskOf(1, "echo"));
  broker_.SendTask(TaskOf(2, "echo"));
  ASSERT_TRUE(broker_.WaitForReports(2));
  broker_.Revoke({1});
  broker_.Cut();
  ASSERT_TRUE(WaitForReportsIn(2, 1));
  EXPECT_EQ(ReportsIn(2)[0].token(), 2);
  broker_.SendTask(TaskOf(3, "echo"));
  ASSERT_TRUE(WaitForReportsIn(2, 2));
  EXPECT_EQ(ReportsIn(2)[1].token(), 3);
}

TEST_F(SessionReconnectTest, OutcomesOfTheTimeWithoutBrokerAreReportedAfterwards) {
  Start(2, 0);
  broker_.SendTask(TaskOf(1, "wait"));
  broker_.SendTask(TaskOf(2, "wait"));
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(2); }));
  broker_.Stop();
  door_.Open();
  broker_.Start();
  ASSERT_TRUE(broker_.WaitForReports(2));
  EXPECT_TRUE(broker_.report(1).has_value());
  EXPECT_TRUE(broker_.report(2).has_value());
}

TEST_F(SessionReconnectTest, ABrokerThatComesLaterIsWaitedFor) {
  broker_.Stop();
  live_.Start(1, 0);
  broker_.Start();
  ASSERT_TRUE(broker_.WaitForCredit(1));
  broker_.SendTask(TaskOf(1, "echo"));
  EXPECT_TRUE(broker_.WaitForReports(1));
}

TEST_F(SessionReconnectTest, ManyCutsLoseNoOutcome) {
  constexpr uint64_t kTasks = 200;
  Start(4, 1000);
  for (uint64_t token = 1; token <= kTasks; ++token) {
    v1::LeasedTask task = TaskOf(token, "echo");
    task.set_confirm_start(token % 7 == 0);
    broker_.SendTask(task);
    if (token % 20 == 0) {
      const int stream = broker_.streams();
      broker_.Cut();
      ASSERT_TRUE(broker_.WaitForStreams(stream + 1));
      ASSERT_TRUE(broker_.WaitForCredit(1));
    }
  }
  // What was cut off on its way to the worker is not held there: the broker gives it again.
  for (uint64_t token = 1; token <= kTasks; ++token) broker_.SendTask(TaskOf(1000 + token, "echo"));
  ASSERT_TRUE(broker_.WaitUntil([&] {
    size_t again = 0;
    for (const v1::AttemptReport& report : broker_.reports()) again += report.token() > 1000;
    return again >= kTasks;
  }));
  for (const v1::AttemptReport& report : broker_.reports()) {
    EXPECT_EQ(report.end(), v1::ATTEMPT_END_SUCCEEDED);
  }
}

TEST_F(SessionReconnectTest, ASilentBrokerIsLeftForANewConnection) {
  live_.options.peer_silent = milliseconds(50);
  broker_.WelcomeNobody();
  live_.Start(1, 0);
  EXPECT_TRUE(broker_.WaitForStreams(3));
}

TEST_F(SessionReconnectTest, ABrokerThatDoesNotKeepToTheProtocolIsLeft) {
  Start(1, 5);
  v1::LeasedTask stray = TaskOf(1, "echo");
  stray.set_pool(7);
  broker_.SendTask(stray);
  ASSERT_TRUE(broker_.WaitForStreams(2));
  ASSERT_TRUE(broker_.WaitForCredit(6));
  EXPECT_THAT(broker_.hello(2).held_tokens(), SizeIs(0));
  v1::AttachResponse response;
  *response.add_runs() = RunOf(TaskOf(1, "echo", "payload"));
  response.mutable_runs(0)->set_payload_sizes(0, 6);
  broker_.Send(response);
  ASSERT_TRUE(broker_.WaitForStreams(3));
  ASSERT_TRUE(broker_.WaitForCredit(6));
  EXPECT_THAT(broker_.hello(3).held_tokens(), SizeIs(0));
}

TEST_F(SessionReconnectTest, WhatHandlersDidIsToldOnceInEachStream) {
  Start(1, 0);
  HandlerStatsList handlers;
  handlers.Add()->set_type("echo");
  const auto told_in = [this](int stream) {
    int64_t told = 0;
    for (const FakeBroker::Message& message : broker_.messages()) {
      if (message.stream == stream && message.request.handlers_size() == 1) ++told;
    }
    return told;
  };
  live_.session().TellHandlers(handlers);
  ASSERT_TRUE(broker_.WaitUntil([&] { return told_in(1) == 1; }));
  broker_.SendTask(TaskOf(1, "echo"));
  ASSERT_TRUE(broker_.WaitForReports(1));
  broker_.Cut();
  ASSERT_TRUE(broker_.WaitUntil([&] { return told_in(2) == 1; }));
  broker_.SendTask(TaskOf(2, "echo"));
  ASSERT_TRUE(broker_.WaitForReports(2));
  EXPECT_EQ(told_in(1), 1);
  EXPECT_EQ(told_in(2), 1);
}

TEST_F(SessionReconnectTest, ARefusalAtTheFirstAttachEndsTheService) {
  broker_.RefuseAttach(
      grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "hello.queues: 300 queues"));
  live_.Start(1, 0);
  const absl::Status status = live_.Join();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("300 queues"));
}

TEST_F(SessionReconnectTest, ALaterRefusalIsLoggedAsOne) {
  std::mutex mutex;
  std::vector<std::string> warnings;
  live_.options.log = [&](LogLevel level, std::string_view line) {
    std::lock_guard lock(mutex);
    if (level == LogLevel::kWarning) warnings.emplace_back(line);
  };
  Start(1, 0);
  broker_.RefuseAttach(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "hello.held: too many"));
  broker_.Cut();
  EXPECT_TRUE(broker_.WaitUntil([&] {
    std::lock_guard lock(mutex);
    return std::any_of(warnings.begin(), warnings.end(), [](const std::string& line) {
      return line.find("refused by broker") != line.npos && line.find("too many") != line.npos;
    });
  }));
}

TEST_F(SessionReconnectTest, ARefusalThatMayPassIsTriedAgain) {
  broker_.RefuseAttach(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams"));
  live_.Start(1, 0);
  broker_.RefuseAttach(grpc::Status::OK);
  EXPECT_TRUE(broker_.WaitForCredit(1));
}

TEST_F(SessionReconnectTest, AStartToConfirmWaitsForTheNextStreamWhenThisOneIsLost) {
  Start(1, 0);
  broker_.SendTask(TaskOf(1, "wait"));
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  v1::LeasedTask task = TaskOf(2, "echo");
  task.set_confirm_start(true);
  broker_.Stop();
  door_.Open();
  broker_.Start();
  ASSERT_TRUE(broker_.WaitForStreams(2));
  ASSERT_TRUE(broker_.WaitForCredit(1));
  broker_.SendTask(task);
  ASSERT_TRUE(broker_.WaitForReports(2));
  EXPECT_TRUE(broker_.told_started(2));
}

TEST_F(SessionReconnectTest, TheWaitForAConfirmationIsNoneOfTheAttemptsTime) {
  constexpr std::chrono::hours kTimeout(1);
  std::atomic<std::chrono::steady_clock::time_point> ends_by{};
  live_.Handle("timed", [&](TaskContext& context, std::string) {
    ends_by = *context.deadline();
    return AttemptResult::Succeeded("", "");
  });
  std::promise<void> begins;
  live_.before_begin = [&](uint64_t token) {
    if (token == 2) begins.set_value();
  };
  Start(1, 1);
  v1::AttachResponse tasks;
  *tasks.add_runs() = RunOf(TaskOf(1, "wait"));
  v1::LeasedTask task = TaskOf(2, "timed");
  task.set_confirm_start(true);
  task.set_attempt_timeout_ms(milliseconds(kTimeout).count());
  *tasks.add_runs() = RunOf(task);
  broker_.Send(tasks);
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  broker_.Stop();
  door_.Open();
  ASSERT_EQ(begins.get_future().wait_for(kGenerous), std::future_status::ready);
  // Nobody can confirm it before.
  const auto waited_until = std::chrono::steady_clock::now();
  broker_.Start();
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.report(2).has_value(); }));
  EXPECT_GE(ends_by.load(), waited_until + kTimeout);
}

TEST_F(SessionReconnectTest, ADeadlineEndsTheWaitForAConfirmation) {
  std::atomic<bool> next = false, late = false;
  live_.Handle("late", [&](TaskContext&, std::string) {
    late = true;
    return AttemptResult::Succeeded("", "");
  });
  live_.Handle("next", [&](TaskContext&, std::string) {
    next = true;
    return AttemptResult::Succeeded("", "");
  });
  Start(1, 2);
  broker_.SendTask(TaskOf(1, "wait"));
  v1::LeasedTask second = TaskOf(2, "late");
  second.set_confirm_start(true);
  second.set_deadline_in_ms(1'000);
  broker_.SendTask(second);
  broker_.SendTask(TaskOf(3, "next"));
  ASSERT_TRUE(broker_.WaitUntil([&] { return broker_.told_started(1); }));
  broker_.WelcomeNobody();
  broker_.Cut();
  ASSERT_TRUE(broker_.WaitForStreams(2));
  door_.Open();
  EXPECT_TRUE(broker_.WaitUntil([&] { return next.load(); })) << "the slot is held";
  EXPECT_FALSE(late);
}

}  // namespace
}  // namespace treadle::worker
