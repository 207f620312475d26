#include <atomic>
#include <chrono>
#include <future>
#include <string>

#include "tests/support/with_broker.h"

namespace treadle::testing {
namespace {

using test::kPatience;
using namespace std::chrono_literals;

constexpr TaskType<std::string()> kHello{"hello"};
constexpr TaskType<int64_t()> kThird{"third"};
constexpr TaskType<void()> kHold{"hold"};

class Clock : public test::WithBroker {};

TEST_F(Clock, JumpsOverADelay) {
  LocalWorker worker(*broker_, "cpu");
  worker->Handle(kHello, [](TaskContext&) { return std::string("hello"); });
  worker.Start();
  SubmitOptions later;
  later.delay = 24h;
  const Future<std::string> hello = executor_.Submit(later, kHello);
  ASSERT_TRUE(hello.Accepted(kPatience).ok());

  const auto before = broker_->now();
  ASSERT_TRUE(broker_->Advance(23h).ok());
  EXPECT_FALSE(hello.Done());
  ASSERT_TRUE(broker_->Advance(1h).ok());
  EXPECT_GE(broker_->now() - before, 24h);
  EXPECT_EQ(hello.Result(kPatience).value(), "hello");
}

TEST_F(Clock, JumpsFromRetryToRetry) {
  LocalWorker worker(*broker_, "cpu");
  worker->Handle(kThird, [](TaskContext& context) -> absl::StatusOr<int64_t> {
    if (context.attempt() < 3) return absl::UnavailableError("not yet");
    return context.attempt();
  });
  worker.Start();
  SubmitOptions patient;
  patient.retry = RetryPolicy();
  patient.retry->initial_delay = 1h;
  patient.retry->max_delay = 24h;
  const Future<int64_t> third = executor_.Submit(patient, kThird);
  ASSERT_TRUE(broker_->AdvanceUntilDone(third).ok());
  EXPECT_EQ(third.Result().value(), 3);
}

// What is due first happens first, however far one jump goes.
TEST_F(Clock, DueThingsHappenInOrder) {
  SubmitOptions soon;
  soon.deadline = 10min;
  const Future<std::string> hello = executor_.Submit(soon, kHello);
  ASSERT_TRUE(hello.Accepted(kPatience).ok());
  ASSERT_TRUE(broker_->Advance(9min).ok());
  EXPECT_FALSE(hello.Done());
  ASSERT_TRUE(broker_->Advance(2min).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(hello.Wait(kPatience)));
  EXPECT_EQ(hello.Error().value().end, TaskEnd::kExpired);
}

// Promise 5: a running task whose worker is alive is not run again, however far the clock jumps.
TEST_F(Clock, AJumpEndsNoLeaseOfAWorkerThatIsThere) {
  std::atomic<int> runs = 0;
  std::promise<void> begun;
  std::promise<void> go_on;
  LocalWorker worker(*broker_, "cpu");
  worker->Handle(kHold, [&](TaskContext&) {
    if (++runs == 1) begun.set_value();
    go_on.get_future().wait();
  });
  worker.Start();
  const Future<void> held = executor_.Submit(kHold);
  begun.get_future().wait();
  ASSERT_TRUE(broker_->Advance(24h).ok());
  go_on.set_value();
  EXPECT_TRUE(held.Result(kPatience).ok());
  EXPECT_EQ(runs, 1);
}

// Promise 2, at least once: what a killed worker ran is run by another one when its lease is over.
TEST_F(Clock, AJumpEndsTheLeasesOfAWorkerThatWasKilled) {
  std::promise<void> begun;
  LocalWorker first(*broker_, "cpu");
  first->Handle(kHello, [&](TaskContext& context) {
    begun.set_value();
    while (context.SleepFor(1h)) continue;
    return std::string("of the first");
  });
  first.Start();
  const Future<std::string> hello = executor_.Submit(kHello);
  begun.get_future().wait();
  ASSERT_TRUE(broker_->AwaitStart(hello).ok());
  first.Kill();

  LocalWorker second(*broker_, "cpu");
  second->Handle(
      kHello, [](TaskContext& context) { return "attempt " + std::to_string(context.attempt()); });
  second.Start();
  ASSERT_TRUE(broker_->AdvanceUntilDone(hello).ok());
  EXPECT_EQ(hello.Result().value(), "attempt 2");
}

TEST_F(Clock, AJumpBackIsRefused) { EXPECT_TRUE(absl::IsInvalidArgument(broker_->Advance(-1s))); }

}  // namespace
}  // namespace treadle::testing
