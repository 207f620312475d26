#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/run_fixture.h"

// What becomes of a run's row when most of its tasks have ended.

namespace treadle::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint32_t kTasks = 200;  // with payloads of 10, 20, ... 2,000 bytes: 201,000 together
constexpr int64_t kHourMs = 3'600'000;

class Compaction : public RunTest {
 protected:
  // All have succeeded but these, which are to be tried again in an hour.
  void EndAllBut(const std::vector<uint64_t>& left) {
    const Lease lease = LeaseOfRun(kTasks);
    for (uint64_t sequence = 1; sequence <= kTasks; ++sequence) {
      const Token token = After(lease.token, sequence - 1);
      if (std::find(left.begin(), left.end(), sequence) == left.end()) {
        Step(EndAttempt{.call = kWorker, .token = token});
      } else {
        EndAttempt failed{.call = kWorker, .token = token, .end = AttemptEnd::kFailed};
        failed.error.retry_after_ms = kHourMs;
        Step(failed);
      }
    }
    EXPECT_THAT(DueIn(Tick()), IsEmpty());
  }
  static std::vector<TaskId> DueIn(const Effects& effects) {
    std::vector<TaskId> due;
    for (const CompactionDue& one : Heard<CompactionDue>(effects)) due.push_back(one.run);
    return due;
  }
  // Of the turn in which the time is over.
  std::vector<TaskId> DueLater() {
    now_ms() += EngineOptions().compaction_after_ms;
    return DueIn(Tick());
  }
  std::optional<TaskRow> StoredTask(TaskId id) const { return rows().FindTask(id); }
  void Compact(TaskId run) {
    Step(CompactRun{StoredTask(run)});
    Tick();
    engine().CheckInvariants();
  }
};

TEST_F(Compaction, WhatIsLeftGetsRowsOfItsOwn) {
  EndAllBut({3, 50, 51});
  EXPECT_EQ(rows().CountOf('t'), 1);
  ASSERT_THAT(DueLater(), ElementsAre(TaskId{1, 1}));
  Compact({1, 1});

  EXPECT_EQ(rows().CountOf('t'), 2);
  EXPECT_EQ(rows().CountOf('u'), 0);
  const std::optional<TaskRow> single = StoredTask({1, 3});
  ASSERT_TRUE(single.has_value());
  EXPECT_THAT(single->payload_sizes, IsEmpty());
  EXPECT_EQ(single->order, 3);
  EXPECT_EQ(single->spec.payload_bytes, 30);
  EXPECT_EQ(single->payload.begin, 10 + 20);
  EXPECT_EQ(single->payload.bytes, 30);
  const std::optional<TaskRow> two = StoredTask({1, 50});
  ASSERT_TRUE(two.has_value());
  EXPECT_THAT(two->payload_sizes, ElementsAre(500, 510));
  EXPECT_EQ(two->payload.begin, 10 * 49 * 50 / 2);
  Restart();
  EXPECT_EQ(engine().RowOf({1, 51}), (TaskId{1, 50}));
}

TEST_F(Compaction, ItsTasksAreGivenOutAndEndAsEver) {
  EndAllBut({1, 50, 51});
  ASSERT_THAT(DueLater(), SizeIs(1));
  Compact({1, 1});
  EXPECT_EQ(rows().CountOf('t'), 2);

  now_ms() += kHourMs;
  Attach(kOther, "w2");
  Step(AddCredit{kOther, 0, 10});
  const std::vector<Lease> leases = LeasesOf(kOther, Tick());
  ASSERT_THAT(leases, SizeIs(3));
  EXPECT_EQ(leases[0].row, (TaskId{1, 1}));
  EXPECT_EQ(leases[0].payload_begin, 0);
  EXPECT_EQ(leases[2].task, (TaskId{1, 51}));
  EXPECT_EQ(leases[2].row, (TaskId{1, 50}));
  EXPECT_EQ(leases[2].payload_begin, 500);
  EXPECT_EQ(leases[2].payload_bytes, 510);
  for (const Lease& lease : leases) Step(EndAttempt{.call = kOther, .token = lease.token});
  Tick();
  EXPECT_EQ(rows().CountOf('u'), 0);
  EXPECT_EQ(engine().Totals().unfinished_tasks, 0);
  for (const uint64_t sequence : {1, 50, 51}) EXPECT_FALSE(StoredTask({1, sequence}).has_value());
}

TEST_F(Compaction, IsNotDueWhileMuchIsLeft) {
  std::vector<uint64_t> left;
  for (uint64_t sequence = 160; sequence <= kTasks; ++sequence) left.push_back(sequence);
  EndAllBut(left);
  EXPECT_THAT(DueLater(), IsEmpty());
}

TEST_F(Compaction, WaitsForALeaseThatHasNotBegun) {
  const Lease lease = LeaseOfRun(kTasks);
  Step(Succeeded(kWorker, lease.token, std::vector<uint32_t>(kTasks - 1, 0)));
  Tick();
  const Token last = After(lease.token, kTasks - 1);
  now_ms() += EngineOptions().compaction_after_ms;
  Step(Heartbeat{kWorker});
  EXPECT_THAT(DueIn(Tick()), IsEmpty());
  Step(StartAttempt{kWorker, last});
  now_ms() += EngineOptions().compaction_after_ms;
  Step(Heartbeat{kWorker});
  ASSERT_THAT(DueIn(Tick()), SizeIs(1));
  Compact({1, 1});
  EXPECT_EQ(StoredTask({1, kTasks})->payload.bytes, 10 * kTasks);
  Restart();
  EXPECT_EQ(engine().RowOf({1, kTasks}), (TaskId{1, kTasks}));
}

TEST_F(Compaction, IsTriedAgainWhereTheRowCouldNotBeRead) {
  EndAllBut({3});
  ASSERT_THAT(DueLater(), SizeIs(1));
  Step(CompactRun{});
  EXPECT_THAT(DueIn(Tick()), IsEmpty());
  EXPECT_THAT(DueLater(), ElementsAre(TaskId{1, 1}));
}

TEST_F(Compaction, IsNothingWhenTheLastTaskHasEndedMeanwhile) {
  EndAllBut({3});
  ASSERT_THAT(DueLater(), SizeIs(1));
  const std::optional<TaskRow> row = StoredTask({1, 1});
  Step(Cancel{kClient, 0, {1, 3}});
  Tick();
  Step(CompactRun{row});
  EXPECT_THAT(Tick().changes, IsEmpty());
  EXPECT_EQ(rows().CountOf('t'), 0);
}

TEST_F(Compaction, IsDueAlsoAfterARestart) {
  EndAllBut({3});
  Restart();
  EXPECT_THAT(DueLater(), ElementsAre(TaskId{1, 1}));
}

TEST_F(Compaction, IsAskedForOneAtATime) {
  EndAllBut({3});
  SubmitRun(kTasks + 1, kTasks);
  Step(AddCredit{kWorker, 0, kTasks});
  const std::vector<Lease> leases = LeasesOf(kWorker, Tick());
  ASSERT_THAT(leases, SizeIs(1));
  Step(Succeeded(kWorker, leases[0].token, std::vector<uint32_t>(kTasks - 1, 0)));
  Step(EndAttempt{
      .call = kWorker, .token = After(leases[0].token, kTasks - 1), .end = AttemptEnd::kReleased});
  Tick();
  ASSERT_THAT(DueLater(), ElementsAre(TaskId{1, 1}));
  Step(CompactRun{StoredTask({1, 1})});
  EXPECT_THAT(DueIn(Tick()), ElementsAre(TaskId{1, kTasks + 1}));
}

TEST_F(Compaction, AJobAsksAgainForHeadersThatHaveMoved) {
  EndAllBut({3, 50});
  ASSERT_THAT(DueLater(), ElementsAre(TaskId{1, 1}));
  Step(StartJob{kOther, {.action = JobAction::kCancelTasks, .filter = "header.tenant:acme"}});
  const std::vector<JobTasksWanted> wanted = Heard<JobTasksWanted>(Tick());
  ASSERT_THAT(wanted, SizeIs(1));
  ASSERT_THAT(wanted[0].candidates, SizeIs(2));
  EXPECT_EQ(wanted[0].candidates[1].row, (TaskId{1, 1}));

  Compact({1, 1});
  Step(JobTasksFound{wanted[0].job, {}});  // the run's row was gone when it was to be read
  const std::vector<JobTasksWanted> again = Heard<JobTasksWanted>(Tick());
  ASSERT_THAT(again, SizeIs(1));
  ASSERT_THAT(again[0].candidates, SizeIs(2));
  EXPECT_EQ(again[0].candidates[1].row, (TaskId{1, 50}));
  Step(JobTasksFound{again[0].job, {{1, 50}}});
  Tick();
  EXPECT_EQ(engine().FindJob(again[0].job)->row.done, 1);
  EXPECT_FALSE(engine().FindTask({1, 50}).has_value());
  EXPECT_TRUE(engine().FindTask({1, 3}).has_value());
}

}  // namespace
}  // namespace treadle::engine
