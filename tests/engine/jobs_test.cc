#include "server/engine/jobs.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/run_fixture.h"

// What one step of a job costs; what jobs do is in scripts/jobs.txt and scripts/job_filters.txt.

namespace treadle::engine {
namespace {

using ::testing::SizeIs;

constexpr uint32_t kTasks = 5'000;  // with payloads of 10, 20, ... 50,000 bytes

struct JobSteps : RunTest {
  void SetUp() override {
    SubmitRun(1, kTasks);
    Tick();
  }
  uint64_t Start(const std::string& filter) {
    Step(StartJob{kOther, {.action = JobAction::kCancelTasks, .filter = filter, .dry_run = true}});
    const std::vector<JobChanged> changed = Heard<JobChanged>(last = Tick());
    EXPECT_THAT(changed, SizeIs(1));
    return changed.at(0).job;
  }
  JobRow RowOf(uint64_t job) { return engine().FindJob(job)->row; }

  Effects last;
};

TEST_F(JobSteps, AreBoundedByWhatAFilterLooksAt) {
  const uint64_t job = Start("id:none");
  EXPECT_EQ(RowOf(job).looked_at, 2'000) << "of one run, whose ids differ";
  EXPECT_LE(engine().NextDeadline(), now_ms()) << "it goes on in the next turn";
  Tick();
  EXPECT_EQ(RowOf(job).looked_at, 4'000);
  Tick();
  EXPECT_EQ(RowOf(job).looked_at, 5'000);
  EXPECT_EQ(RowOf(job).state, JobState::kDone);
  EXPECT_EQ(RowOf(job).done, 0);
}

TEST_F(JobSteps, LookOnceAtWhatARunHasInCommon) {
  const uint64_t job = Start("type:other size>10");
  EXPECT_EQ(RowOf(job).state, JobState::kDone);
  EXPECT_EQ(RowOf(job).looked_at, kTasks);
  EXPECT_EQ(RowOf(job).done, 0);
}

TEST_F(JobSteps, TakeWhatTheFilterTakesOfEachTaskOfARun) {
  const uint64_t job = Start("type:send size>45000");
  while (RowOf(job).state == JobState::kRunning) Tick();
  EXPECT_EQ(RowOf(job).done, 500);
  EXPECT_EQ(RowOf(job).looked_at, kTasks);
}

// The run's row has 125 MB, and is read once for all of a step's candidates.
TEST_F(JobSteps, AreBoundedByWhatIsReadForHeaders) {
  SubmitRun(kTasks + 1, kTasks);
  Tick();
  const uint64_t job = Start("header.tenant:acme id:*");
  int64_t candidates = 0;
  for (;;) {
    const std::vector<JobTasksWanted> wanted = Heard<JobTasksWanted>(last);
    if (wanted.empty()) break;
    ASSERT_THAT(wanted, SizeIs(1));
    for (const JobTasksWanted::Candidate& one : wanted[0].candidates) {
      EXPECT_EQ(one.row, wanted[0].candidates[0].row) << "two large rows in one step";
    }
    EXPECT_THAT(wanted[0].candidates, SizeIs(testing::Le(1'000)));
    candidates += std::ssize(wanted[0].candidates);
    EXPECT_GT(engine().NextDeadline(), now_ms()) << "it waits for the broker";
    Step(JobTasksFound{job, {}});
    last = Tick();
  }
  EXPECT_EQ(candidates, 2 * kTasks);
  EXPECT_EQ(RowOf(job).state, JobState::kDone);
  EXPECT_EQ(RowOf(job).done, 0);
}

}  // namespace
}  // namespace treadle::engine
