#include "server/engine/census.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/engine/engine.h"
#include "tests/engine/run_fixture.h"

namespace treadle::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Census CountAll(const Engine& engine, int64_t now_ms, int64_t most = 1'000) {
  Census census;
  while (engine.Continue(census, most, now_ms)) {
  }
  return census;
}

class CensusTest : public RunTest {
 protected:
  Census Count(int64_t most = 1'000) { return CountAll(engine(), now_ms(), most); }
  QueueCensus Mail() {
    for (const QueueCensus& queue : Count().queues) {
      if (*queue.name == "mail") return queue;
    }
    return {};
  }
  void End(const Lease& lease, AttemptEnd end) {
    Step(EndAttempt{.call = kWorker, .token = lease.token, .end = end});
  }
};

TEST_F(CensusTest, AQueueIsCountedByTheStatesOfItsTasks) {
  SubmitRun(1, 5);
  Attach(kWorker, "w1");
  Step(AddCredit{kWorker, 0, 2});
  const std::vector<Lease> leases = LeasesOf(kWorker, Tick());
  now_ms() += 4'000;
  QueueCensus mail = Mail();
  EXPECT_EQ(mail.queued, 3);
  EXPECT_EQ(mail.running, 2);
  EXPECT_EQ(mail.waiting_bytes, 30 + 40 + 50);
  EXPECT_EQ(mail.oldest_age_ms, 4'000);
  EXPECT_EQ(mail.counts.submitted, 5);
  End(leases.at(0), AttemptEnd::kSucceeded);
  Tick();
  EXPECT_EQ(Mail().counts.succeeded, 1);
  Step(PauseQueue{.name = "mail"});
  Tick();
  EXPECT_EQ(Mail().paused_queues, 1);
}

// Each task of a run counts, though one increment counts them all.
TEST_F(CensusTest, QueueingIsFromRunnableToLease) {
  SubmitRun(1, 1'000);
  now_ms() += 20;
  Attach(kWorker, "w1");
  Step(AddCredit{kWorker, 0, 1'000});
  EXPECT_FALSE(LeasesOf(kWorker, Tick()).empty());
  const TimeHistogram queueing = Mail().times.queueing;
  EXPECT_EQ(queueing.count(), 1'000U);
  EXPECT_EQ(queueing.counts()[3], 1'000U);  // up to 30 ms
  EXPECT_EQ(queueing.sum(), 20'000U);
}

TEST_F(CensusTest, RunningIsFromTheStartThatWasToldOrFromTheLease) {
  SubmitRun(1, 2);
  Attach(kWorker, "w1");
  Step(AddCredit{kWorker, 0, 2});
  const std::vector<Lease> leases = LeasesOf(kWorker, Tick());
  ASSERT_EQ(leases.size(), 1U);
  now_ms() += 100;
  Step(StartAttempt{kWorker, leases[0].token});
  now_ms() += 7;
  Step(EndAttempt{.call = kWorker, .token = leases[0].token});
  Step(EndAttempt{.call = kWorker, .token = After(leases[0].token, 1)});
  Tick();
  EXPECT_EQ(Mail().times.running.count(), 2U);
  EXPECT_EQ(Mail().times.running.sum(), 7U + 107U);
}

TEST_F(CensusTest, WhatIsGivenBackWasNoAttemptAndQueuesAgain) {
  const Lease lease = LeaseOfRun(1);
  now_ms() += 50;
  End(lease, AttemptEnd::kReleased);
  Tick();
  EXPECT_EQ(Mail().times.running.count(), 0U);
  EXPECT_EQ(Mail().times.queueing.count(), 1U);
}

TEST_F(CensusTest, AFailedAttemptIsCountedAndSoIsItsRetry) {
  const Lease lease = LeaseOfRun(1);
  now_ms() += 50;
  End(lease, AttemptEnd::kFailed);
  Tick();
  EXPECT_EQ(Mail().times.running.sum(), 50U);
  EXPECT_EQ(Mail().counts.retried, 1);
  EXPECT_EQ(Mail().counts.failed, 0);
  EXPECT_EQ(Mail().scheduled, 1);
}

TEST_F(CensusTest, ATypeIsUnservedWhenNobodyHasTakenItForAMinute) {
  SubmitRun(1, 1);
  Tick();
  EXPECT_EQ(Mail().unserved_types, 1);
  Attach(kWorker, "w1");  // which has no slot free, but takes it
  Tick();
  EXPECT_EQ(Mail().unserved_types, 0);
  Step(CallClosed{kWorker});
  Tick();
  now_ms() += Census::kUnservedMs - 1;
  EXPECT_EQ(Mail().unserved_types, 0);
  now_ms() += 1;
  EXPECT_EQ(Mail().unserved_types, 1);
}

TEST_F(CensusTest, WorkersAreCountedWithTheirSlots) {
  SubmitRun(1, 3);
  Attach(kWorker, "w1");
  Attach(kOther, "w2");
  Step(AddCredit{kWorker, 0, 2});
  Step(AddCredit{kOther, 0, 4});
  Tick();
  WorkerCensus workers = Count().workers;
  EXPECT_EQ(workers.connected, 2);
  EXPECT_EQ(workers.free_slots, 3);
  EXPECT_EQ(workers.leased_tasks, 3);
  Step(DrainWorker{kOther});
  Step(CallClosed{kWorker});
  Tick();
  workers = Count().workers;
  EXPECT_EQ(workers.connected, 1);
  EXPECT_EQ(workers.draining, 1);
  EXPECT_EQ(workers.away, 1);
}

TEST_F(CensusTest, AWorkerInQuarantineHasNoFreeSlots) {
  SubmitRun(1, 100);
  Attach(kWorker, "w1");
  Attach(kOther, "w2");
  for (int64_t i = 0; i < EngineOptions().quarantine_after; ++i) {
    Step(AddCredit{kWorker, 0, 1});
    Step(AddCredit{kOther, 0, 1});
    const Effects effects = Tick();
    const Token failed = LeasesOf(kWorker, effects).at(0).token;
    Step(EndAttempt{.call = kOther, .token = LeasesOf(kOther, effects).at(0).token});
    Step(EndAttempt{.call = kWorker, .token = failed, .end = AttemptEnd::kFailed});
  }
  Step(AddCredit{kWorker, 0, 1});
  EXPECT_THAT(LeasesOf(kWorker, Tick()), IsEmpty());
  const WorkerCensus workers = Count().workers;
  EXPECT_EQ(workers.connected, 2);
  EXPECT_EQ(workers.quarantined, 1);
  EXPECT_EQ(workers.free_slots, 0);
}

TEST_F(CensusTest, InPiecesItCountsTheSame) {
  for (int i = 0; i < 7; ++i) SubmitRun(1 + 10 * i, 2, absl::StrCat("q", i));
  Attach(kWorker, "w1");
  Attach(kOther, "w2");
  Tick();
  const Census whole = Count();
  const Census pieces = Count(/*most=*/1);
  ASSERT_EQ(whole.queues.size(), 7U);
  ASSERT_EQ(pieces.queues.size(), 7U);
  for (size_t i = 0; i < whole.queues.size(); ++i) {
    EXPECT_EQ(*pieces.queues[i].name, *whole.queues[i].name);
    EXPECT_EQ(pieces.queues[i].queued, 2);
  }
  EXPECT_EQ(pieces.workers.connected, 2);
}

// An engine that counts two queues apart.
class CountedApart : public ::testing::Test {
 protected:
  void Create(const std::string& name) {
    Step(CreateQueue{kClient, QueueConfig{name, Discipline::kFifo, 100, 100}});
  }
  void Run(const std::string& queue) {
    Submit submit;
    submit.call = kClient;
    submit.id = TaskId{1, ++last_};
    submit.spec.queue = queue;
    submit.spec.type = "a";
    Step(std::move(submit));
    PollTasks poll{.call = kOther, .queues = {queue}};
    poll.lease_ms = 1'000;
    Effects leased;
    engine_->Step(now_ms_, std::move(poll), leased);
    engine_->Tick(now_ms_, leased);
    const std::vector<Lease> leases = LeasesOf(kOther, leased);
    ASSERT_EQ(leases.size(), 1U);
    Step(EndAttempt{.call = kOther, .token = leases[0].token});
  }
  void Step(Command command) {
    Effects effects;
    engine_->Step(now_ms_, std::move(command), effects);
    engine_->Tick(now_ms_, effects);
  }
  Census Count() { return CountAll(*engine_, now_ms_); }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const QueueCensus& queue : Count().queues) names.push_back(*queue.name);
    return names;
  }

  EngineOptions options_{.counted_queues_max = 2};
  std::unique_ptr<Engine> engine_ = std::make_unique<Engine>(options_);
  int64_t now_ms_ = 1'000;
  uint64_t last_ = 0;
};

TEST_F(CountedApart, TheFirstAreAndTheOthersTogether) {
  for (const char* const name : {"z", "y", "a", "b"}) Create(name);
  Run("a");
  Run("b");
  Run("z");
  EXPECT_THAT(Names(), ElementsAre("y", "z"));
  const Census census = Count();
  EXPECT_EQ(census.others.queues, 2);
  EXPECT_EQ(census.others.counts.succeeded, 2);
  EXPECT_EQ(census.others.times.running.count(), 2U);
  EXPECT_EQ(census.others.tasks_max, 200);
  EXPECT_EQ(census.queues[1].counts.succeeded, 1);
  EXPECT_EQ(census.queues[1].times.running.count(), 1U);
}

TEST_F(CountedApart, WhatOthersHaveCountedNeverGoesBack) {
  for (const char* const name : {"z", "y", "a"}) Create(name);
  Run("a");
  Step(DeleteQueue{kClient, "a"});
  EXPECT_EQ(Count().others.queues, 0);
  EXPECT_EQ(Count().others.counts.succeeded, 1);
  EXPECT_EQ(Count().others.times.queueing.count(), 1U);
  Create("a");
  Run("a");
  EXPECT_EQ(Count().others.counts.succeeded, 2);
}

TEST_F(CountedApart, APlaceThatIsFreeGoesToTheNextNewQueue) {
  for (const char* const name : {"z", "y", "a"}) Create(name);
  Step(DeleteQueue{kClient, "z"});
  EXPECT_THAT(Names(), ElementsAre("y"));  // a stays where it is counted
  Create("c");
  EXPECT_THAT(Names(), ElementsAre("c", "y"));
}

TEST_F(CountedApart, TheOthersNameIsNobodysOwn) {
  Create(Census::kOthers);
  Create("a");
  EXPECT_THAT(Names(), ElementsAre("a"));
  EXPECT_EQ(Count().others.queues, 1);
}

TEST_F(CountedApart, TogetherAllAreCountedAndNothingGoesBack) {
  const auto together = [this] {
    Census census{.together = true};
    while (engine_->Continue(census, /*most=*/1, now_ms_)) {
    }
    EXPECT_TRUE(census.queues.empty());
    return census.others;
  };
  for (const char* const name : {"z", "y", "a"}) {
    Create(name);
    Run(name);
  }
  EXPECT_EQ(together().queues, 3);
  EXPECT_EQ(together().counts.submitted, 3);
  EXPECT_EQ(together().times.queueing.count(), 3U);
  EXPECT_EQ(together().times.running.count(), 3U);
  Step(DeleteQueue{kClient, "z"});
  Step(DeleteQueue{kClient, "a"});
  EXPECT_EQ(together().queues, 1);
  EXPECT_EQ(together().counts.succeeded, 3);
  EXPECT_EQ(together().times.running.count(), 3U);
}

}  // namespace
}  // namespace treadle::engine
