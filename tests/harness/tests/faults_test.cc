#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/with_broker.h"

namespace treadle::testing {
namespace {

using test::kPatience;
using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr TaskType<int64_t(int64_t)> kDouble{"double"};
constexpr TaskType<int64_t()> kAttempt{"attempt"};

class Faults : public test::WithBroker {};

int64_t Double(TaskContext&, int64_t n) { return 2 * n; }

// Promise 3: a submit is sent again safely, and there is one task.
TEST_F(Faults, ALostAcknowledgementMakesNoSecondTask) {
  std::atomic<int> runs = 0;
  LocalWorker worker(*broker_, "cpu");
  worker->Handle(kDouble, [&](TaskContext&, int64_t n) {
    ++runs;
    return 2 * n;
  });
  broker_->LoseNextAcknowledgement();
  const Future<int64_t> first = executor_.Submit(kDouble, 4);
  ASSERT_TRUE(first.Accepted(kPatience).ok());
  worker.Start();
  EXPECT_EQ(first.Result(kPatience).value(), 8);
  // FIFO: had there been a second task of the first, it would have run before this.
  EXPECT_EQ(executor_.Submit(kDouble, 5).Result(kPatience).value(), 10);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(broker_->faults_to_come(), 0);
}

// Promise 2: a completion with a stale token changes nothing.
TEST_F(Faults, AfterALostLeaseTheFirstReportIsStale) {
  std::promise<void> begun;
  std::promise<StopReason> told;
  std::mutex mutex;
  std::vector<int32_t> attempts;
  LocalWorker worker(*broker_, "cpu");
  worker->Handle(kAttempt, [&](TaskContext& context) -> int64_t {
    {
      std::lock_guard lock(mutex);
      attempts.push_back(context.attempt());
    }
    if (context.attempt() == 1) {
      begun.set_value();
      while (context.SleepFor(1h)) continue;
      told.set_value(context.stop_reason());
    }
    return context.attempt();
  });
  worker.Start();
  const Future<int64_t> attempt = executor_.Submit(kAttempt);
  begun.get_future().wait();
  ASSERT_TRUE(broker_->ExpireLease(attempt).ok());
  EXPECT_EQ(attempt.Result(kPatience).value(), 2);
  EXPECT_EQ(told.get_future().get(), StopReason::kLeaseLost);
  EXPECT_TRUE(worker.Stop().ok());
  EXPECT_THAT(attempts, ElementsAre(1, 2));
}

// Promise 5, the other half: the leases of a worker that is heard from are not touched.
TEST_F(Faults, ALostLeaseIsNoOtherWorkers) {
  std::promise<void> begun[2];
  std::promise<void> go_on;
  const std::shared_future<void> open = go_on.get_future().share();
  std::atomic<int> runs = 0;
  LocalWorker other(*broker_, "other");
  other->Handle(kAttempt, [&](TaskContext& context) -> int64_t {
    ++runs;
    begun[0].set_value();
    open.wait();
    return context.attempt();
  });
  other.Start();
  LocalWorker worker(*broker_, "cpu");
  worker->Handle(kAttempt, [&](TaskContext& context) -> int64_t {
    if (context.attempt() == 1) begun[1].set_value();
    open.wait();
    return context.attempt();
  });
  worker.Start();
  const Future<int64_t> kept =
      Executor(broker_->client(), ExecutorOptions("other")).Submit(kAttempt);
  const Future<int64_t> lost = executor_.Submit(kAttempt);
  begun[0].get_future().wait();
  begun[1].get_future().wait();
  ASSERT_TRUE(broker_->ExpireLease(lost).ok());
  go_on.set_value();
  EXPECT_EQ(lost.Result(kPatience).value(), 2);
  EXPECT_EQ(kept.Result(kPatience).value(), 1);
  EXPECT_EQ(runs, 1);
}

// Promise 2: at least once. The handler returns twice, and one result counts.
TEST_F(Faults, ALateReportHasTheTaskRunTwice) {
  std::mutex mutex;
  std::vector<int32_t> attempts;
  LocalWorker worker(*broker_, "cpu", 1);
  worker->Handle(kAttempt, [&](TaskContext& context) -> int64_t {
    std::lock_guard lock(mutex);
    attempts.push_back(context.attempt());
    return context.attempt();
  });
  broker_->DeliverNextTwice();
  EXPECT_EQ(broker_->faults_to_come(), 1);
  worker.Start();
  EXPECT_EQ(executor_.Submit(kAttempt).Result(kPatience).value(), 2);
  EXPECT_EQ(executor_.Submit(kAttempt).Result(kPatience).value(), 1);
  EXPECT_TRUE(worker.Stop().ok());
  EXPECT_THAT(attempts, ElementsAre(1, 2, 1));
}

// Promises 1 and 5: over a crash nothing acknowledged is lost, and what runs goes on.
TEST_F(Faults, ARestartLosesNothingAndRunsNothingAgain) {
  std::promise<void> begun;
  std::promise<void> go_on;
  std::atomic<int> runs = 0;
  LocalWorker worker(*broker_, "cpu", 1);
  worker->Handle(kDouble, [&](TaskContext& context, int64_t n) {
    ++runs;
    if (n == 1) {
      begun.set_value();
      go_on.get_future().wait();
    }
    return Double(context, n);
  });
  worker.Start();
  const Future<int64_t> running = executor_.Submit(kDouble, 1);
  const Future<int64_t> queued = executor_.Submit(kDouble, 2);
  ASSERT_TRUE(queued.Accepted(kPatience).ok());
  begun.get_future().wait();
  const std::string address = broker_->address();
  ASSERT_TRUE(broker_->Restart().ok());
  EXPECT_EQ(broker_->address(), address);
  go_on.set_value();
  EXPECT_EQ(running.Result(kPatience).value(), 2);
  EXPECT_EQ(queued.Result(kPatience).value(), 4);
  EXPECT_EQ(executor_.Submit(kDouble, 3).Result(kPatience).value(), 6);
  EXPECT_EQ(runs, 3);
}

// Promise 8: at a bound the caller gets a clear error, or waits as it asked.
TEST_F(Faults, AFullQueueRefusesOrIsWaitedFor) {
  LocalWorker worker(*broker_, "cpu");
  worker->Handle(kDouble, Double);
  worker.Start();
  absl::StatusOr<FullQueue> full = broker_->FillQueue("cpu");
  ASSERT_TRUE(full.ok()) << full.status();
  const absl::Status refused = executor_.Submit(kDouble, 1).Wait(kPatience);
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  SubmitOptions patient;
  patient.wait_if_full = 1h;
  const Future<int64_t> waits = executor_.Submit(patient, kDouble, 2);
  ASSERT_TRUE(full->Free().ok());
  EXPECT_EQ(waits.Result(kPatience).value(), 4);
  EXPECT_EQ(executor_.Submit(kDouble, 3).Result(kPatience).value(), 6);
}

TEST_F(Faults, OfWhatDoesNotRunNoLeaseExpires) {
  LocalWorker worker(*broker_, "cpu");
  worker->Handle(kDouble, Double);
  worker.Start();
  const Future<int64_t> ended = executor_.Submit(kDouble, 1);
  ASSERT_TRUE(ended.Result(kPatience).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(broker_->ExpireLease(ended)));
}

}  // namespace
}  // namespace treadle::testing
