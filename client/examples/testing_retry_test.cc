// A test of a handler that fails now and then: it is tried again, and the test does not wait for
// that.

#include <chrono>

#include <gtest/gtest.h>

#include "treadle/testing.h"
#include "treadle/treadle.h"

namespace {

using namespace std::chrono_literals;

constexpr treadle::TaskType<int64_t(int64_t)> kCharge{"charge"};

// [retry]
TEST(Charge, IsTriedAgainWhenTheBankIsAway) {
  auto broker = treadle::testing::LocalBroker::Start();
  ASSERT_TRUE(broker.ok()) << broker.status();

  treadle::testing::LocalWorker worker(**broker, "payments");
  worker->Handle(kCharge,
                 [](treadle::TaskContext& context, int64_t cents) -> absl::StatusOr<int64_t> {
                   if (context.attempt() < 3) return absl::UnavailableError("the bank is away");
                   return cents;
                 });
  worker.Start();

  treadle::SubmitOptions options;
  options.max_attempts = 5;
  options.retry = treadle::RetryPolicy();
  options.retry->initial_delay = 1h;  // the test takes milliseconds all the same
  treadle::Executor payments((*broker)->client(), treadle::ExecutorOptions("payments"));
  treadle::Future<int64_t> charged = payments.Submit(options, kCharge, 995);

  ASSERT_TRUE((*broker)->AdvanceUntilDone(charged).ok());
  EXPECT_EQ(charged.Result().value(), 995);
}
// [retry]

// [delay]
TEST(Charge, WaitsUntilItIsDue) {
  auto broker = treadle::testing::LocalBroker::Start();
  ASSERT_TRUE(broker.ok()) << broker.status();
  treadle::testing::LocalWorker worker(**broker, "payments");
  worker->Handle(kCharge, [](treadle::TaskContext&, int64_t cents) { return cents; });
  worker.Start();

  treadle::SubmitOptions tomorrow;
  tomorrow.delay = 24h;
  treadle::Executor payments((*broker)->client(), treadle::ExecutorOptions("payments"));
  treadle::Future<int64_t> charged = payments.Submit(tomorrow, kCharge, 995);
  ASSERT_TRUE(charged.Accepted(60s).ok());

  ASSERT_TRUE((*broker)->Advance(23h).ok());
  EXPECT_FALSE(charged.Done());
  ASSERT_TRUE((*broker)->Advance(1h).ok());
  EXPECT_EQ(charged.Result(60s).value(), 995);
}
// [delay]

}  // namespace
