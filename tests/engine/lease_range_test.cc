#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/run_fixture.h"

// Leases of several tasks of a run at once, as a worker gets and reports them. What happens to one
// of the tasks alone: scripts/ranges.txt.

namespace treadle::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

uint32_t TasksOf(const std::vector<Lease>& leases, const std::string& queue) {
  uint32_t tasks = 0;
  for (const Lease& lease : leases) {
    if (*lease.queue == queue) tasks += lease.tasks;
  }
  return tasks;
}

std::vector<Token> Refused(const Effects& effects) {
  std::vector<Token> refused;
  for (const ReportDone& done : Heard<ReportDone>(effects)) {
    EXPECT_EQ(done.status.code(), absl::StatusCode::kAborted);
    refused.push_back(done.token);
  }
  return refused;
}

using LeaseRange = RunTest;

TEST_F(LeaseRange, HasATokenAndAPayloadForEachTask) {
  const Lease lease = LeaseOfRun(3);
  EXPECT_EQ(lease.task, (TaskId{1, 1}));
  EXPECT_EQ(lease.tasks, 3);
  EXPECT_EQ(lease.row, lease.task);
  EXPECT_EQ(lease.payload_begin, 0);
  EXPECT_EQ(lease.payload_bytes, 60);
  EXPECT_THAT(lease.payload_sizes, ElementsAre(10, 20, 30));
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(engine().FindLeased(kWorker, After(lease.token, i)), (TaskId{1, 1 + i}));
  }
  EXPECT_FALSE(engine().FindLeased(kWorker, After(lease.token, 3)).has_value());
}

TEST_F(LeaseRange, IsNoLongerThanTheCredit) {
  SubmitRun(1, 3);
  Attach(kWorker, "w1");
  Step(AddCredit{kWorker, 0, 2});
  const std::vector<Lease> first = LeasesOf(kWorker, Tick());
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].tasks, 2);
  EXPECT_THAT(first[0].payload_sizes, ElementsAre(10, 20));

  Step(AddCredit{kWorker, 0, 2});
  const std::vector<Lease> rest = LeasesOf(kWorker, Tick());
  ASSERT_THAT(rest, SizeIs(1));
  EXPECT_EQ(rest[0].task, (TaskId{1, 3}));
  EXPECT_EQ(rest[0].row, (TaskId{1, 1}));
  EXPECT_EQ(rest[0].tasks, 1);
  EXPECT_EQ(rest[0].payload_begin, 30);
  EXPECT_EQ(rest[0].payload_bytes, 30);
  EXPECT_THAT(rest[0].payload_sizes, IsEmpty());
}

TEST_F(LeaseRange, WorkersWithCreditShareARun) {
  SubmitRun(1, 100);
  Attach(kWorker, "w1");
  Attach(kOther, "w2");
  Step(AddCredit{kWorker, 0, 100});
  Step(AddCredit{kOther, 0, 100});
  const Effects effects = Tick();
  const uint32_t tasks = TasksOf(LeasesOf(kWorker, effects), "mail");
  const uint32_t others = TasksOf(LeasesOf(kOther, effects), "mail");
  EXPECT_EQ(tasks + others, 100);
  EXPECT_GE(tasks, 30);
  EXPECT_GE(others, 30);
}

TEST_F(LeaseRange, QueuesShareTheCreditOfAWorker) {
  SubmitRun(1, 100, "mail");
  SubmitRun(101, 100, "news");
  Attach(kWorker, "w1");
  Step(AddCredit{kWorker, 0, 100});
  const std::vector<Lease> leases = LeasesOf(kWorker, Tick());
  EXPECT_EQ(TasksOf(leases, "mail") + TasksOf(leases, "news"), 100);
  EXPECT_GE(TasksOf(leases, "mail"), 30);
  EXPECT_GE(TasksOf(leases, "news"), 30);
}

TEST_F(LeaseRange, IsOneTaskInLifoOrder) {
  Step(CreateQueue{kClient, QueueConfig{"news", Discipline::kLifo, 100, 1'000}});
  SubmitRun(1, 3, "news");
  Attach(kWorker, "w1");
  Step(AddCredit{kWorker, 0, 3});
  const std::vector<Lease> leases = LeasesOf(kWorker, Tick());
  ASSERT_THAT(leases, SizeIs(3));
  for (uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(leases[i].task, (TaskId{1, 3 - i}));
    EXPECT_EQ(leases[i].tasks, 1);
  }
}

TEST_F(LeaseRange, IsOneTaskForAPoll) {
  SubmitRun(1, 3);
  PollTasks poll;
  poll.call = kOther;
  poll.queues = {"mail"};
  poll.max_tasks = 3;
  poll.lease_ms = 1'000;
  Step(poll);
  const std::vector<Lease> leases = LeasesOf(kOther, Tick());
  ASSERT_THAT(leases, SizeIs(3));
  for (const Lease& lease : leases) EXPECT_EQ(lease.tasks, 1);
}

TEST_F(LeaseRange, SucceedsAsOneRow) {
  const Lease lease = LeaseOfRun(3);
  Step(Succeeded(kWorker, lease.token, {1, 2, 3}));
  const Effects effects = Tick();
  EXPECT_THAT(Refused(effects), IsEmpty());
  const std::vector<TaskFinished> finished = Heard<TaskFinished>(effects);
  ASSERT_THAT(finished, SizeIs(1));
  const FinishedRow& row = *finished[0].row;
  EXPECT_EQ(row.id, lease.task);
  EXPECT_EQ(row.tasks, 3);
  EXPECT_EQ(row.payload_bytes, 60);
  EXPECT_EQ(row.body.bytes, 6);
  EXPECT_THAT(row.payload_sizes, ElementsAre(10, 20, 30));
  EXPECT_THAT(row.result_sizes, ElementsAre(1, 2, 3));
  EXPECT_EQ(rows().CountOf('f'), 1);
  EXPECT_EQ(rows().CountOf('t'), 0);
  EXPECT_EQ(rows().CountOf('g'), 0);
  EXPECT_EQ(engine().Totals().unfinished_tasks, 0);
}

// Who reads the outcome of one task reads the whole row.
TEST_F(LeaseRange, LargeResultsAreSeveralRows) {
  const auto large = static_cast<uint32_t>(EngineOptions().outcome_row_bytes_max) - 10;
  const Lease lease = LeaseOfRun(3);
  Step(Succeeded(kWorker, lease.token, {large, large, 10}));
  const std::vector<TaskFinished> finished = Heard<TaskFinished>(Tick());
  ASSERT_THAT(finished, SizeIs(2));
  EXPECT_EQ(finished[0].row->tasks, 1);
  EXPECT_EQ(finished[0].row->body.bytes, large);
  EXPECT_EQ(finished[1].row->tasks, 2);
  EXPECT_EQ(finished[1].row->body.begin, large);
  EXPECT_EQ(finished[1].row->body.bytes, large + 10);
}

TEST_F(LeaseRange, AReportEndsWhatLivesAndRefusesWhatIsOver) {
  const Lease lease = LeaseOfRun(4);
  Step(EndAttempt{.call = kWorker, .token = After(lease.token, 1), .end = AttemptEnd::kReleased});
  Tick();
  Step(Succeeded(kWorker, lease.token, {1, 2, 3, 4}));
  const Effects effects = Tick();
  EXPECT_THAT(Refused(effects), ElementsAre(After(lease.token, 1)));
  const std::vector<TaskFinished> finished = Heard<TaskFinished>(effects);
  ASSERT_THAT(finished, SizeIs(2));
  EXPECT_EQ(finished[0].row->id, (TaskId{1, 1}));
  EXPECT_EQ(finished[0].row->tasks, 1);
  EXPECT_EQ(finished[0].row->body.bytes, 1);
  EXPECT_EQ(finished[1].row->id, (TaskId{1, 3}));
  EXPECT_EQ(finished[1].row->tasks, 2);
  EXPECT_EQ(finished[1].row->body.begin, 3);
  EXPECT_THAT(finished[1].row->result_sizes, ElementsAre(3, 4));
  EXPECT_EQ(engine().Totals().unfinished_tasks, 1);
}

TEST_F(LeaseRange, AReportMayBeOfSeveralRuns) {
  SubmitRun(1, 2);
  SubmitRun(3, 2);
  Attach(kWorker, "w1");
  Step(AddCredit{kWorker, 0, 4});
  const std::vector<Lease> leases = LeasesOf(kWorker, Tick());
  ASSERT_THAT(leases, SizeIs(2));
  EXPECT_EQ(leases[1].token, After(leases[0].token, 2));
  Step(Succeeded(kWorker, leases[0].token, {1, 1, 1, 1}));
  EXPECT_THAT(Refused(Tick()), IsEmpty());
  EXPECT_EQ(engine().Totals().unfinished_tasks, 0);
}

TEST_F(LeaseRange, WhatIsLeftOfItOutlivesARestart) {
  const Lease lease = LeaseOfRun(6);
  Step(Succeeded(kWorker, After(lease.token, 1), {7}));
  Step(EndAttempt{.call = kWorker, .token = After(lease.token, 4), .end = AttemptEnd::kReleased});
  Tick();
  Restart();

  std::vector<Token> held;
  for (uint64_t i = 0; i < 6; ++i) held.push_back(After(lease.token, i));
  Attach(kOther, "w1", held);
  const std::vector<WorkerAttached> attached = Heard<WorkerAttached>(Tick());
  ASSERT_THAT(attached, SizeIs(1));
  EXPECT_THAT(attached[0].revoked_tokens, ElementsAre(held[1], held[4]));
  for (uint64_t i = 0; i < 6; ++i) {
    const bool over = i == 1 || i == 4;
    const std::optional<TaskId> task = engine().FindLeased(kOther, held[i]);
    EXPECT_EQ(task, over ? std::nullopt : std::optional(TaskId{1, 1 + i}));
  }

  Step(Succeeded(kOther, lease.token, {1, 1, 1, 1, 1, 1}));
  EXPECT_THAT(Refused(Tick()), ElementsAre(held[1], held[4]));
  EXPECT_EQ(rows().CountOf('g'), 0);
  EXPECT_EQ(engine().Totals().unfinished_tasks, 1);
}

TEST_F(LeaseRange, CostsNoAttemptWhenItsWorkerIsLost) {
  LeaseOfRun(3);
  now_ms() += EngineOptions().lease_ms;
  Tick();
  for (uint64_t i = 1; i <= 3; ++i) {
    const std::optional<TaskView> view = engine().FindTask(TaskId{1, i});
    ASSERT_TRUE(view.has_value());
    EXPECT_EQ(view->state, TaskState::kQueued);
    EXPECT_EQ(view->attempts, 0);
  }
  EXPECT_EQ(rows().CountOf('g'), 0);
}

}  // namespace
}  // namespace treadle::engine
