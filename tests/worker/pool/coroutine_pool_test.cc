#include "worker/pool/coroutine/coroutine_pool.h"

#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/pool/recording_events.h"
#include "tests/worker/pool/stage.h"
#include "treadle/internal/coroutine_handler.h"

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CoroutinePoolTest : public ::testing::Test {
 protected:
  CoroutinePoolTest() { AddStageCoroutines(*handlers_, stage_); }

  void Start() { pool_ = *CoroutinePool::Start(options_, handlers_, events_); }
  size_t Submit(std::vector<AttemptPtr> attempts) { return pool_->Submit(attempts); }

  const std::shared_ptr<Stage> stage_ = Stage::New();
  const std::shared_ptr<Handlers> handlers_ = std::make_shared<Handlers>();
  const std::shared_ptr<RecordingEvents> events_ = std::make_shared<RecordingEvents>();
  CoroutinePoolOptions options_;
  std::unique_ptr<CoroutinePool> pool_;
};

TEST_F(CoroutinePoolTest, ThousandsWaitAtTheSameTime) {
  Start();
  std::vector<AttemptPtr> attempts;
  for (uint64_t token = 1; token <= 5'000; ++token) {
    attempts.push_back(NewAttempt(token, "meet", "5000"));
  }
  ASSERT_EQ(Submit(std::move(attempts)), 5'000);
  ASSERT_TRUE(events_->WaitForEnded(5'000));
  EXPECT_EQ(events_->result(5'000).bytes, "met");
}

// Accepts a connection that never comes.
asio::awaitable<AttemptResult> Accept(TaskContext&, std::string) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const asio::ip::tcp::endpoint anywhere(asio::ip::address_v4::loopback(), 0);
  asio::ip::tcp::acceptor acceptor(executor, anywhere);
  const asio::ip::tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
  co_return AttemptResult::Succeeded("", "");
}

TEST_F(CoroutinePoolTest, AStopReachesTheOperationThatIsAwaited) {
  handlers_->AddCoroutine("accept", std::make_shared<CoroutineHandler>(Accept));
  Start();
  const AttemptPtr cancelled = NewAttempt(1, "accept");
  const AttemptPtr late = NewAttempt(2, "nap", "600000");
  ASSERT_EQ(Submit({cancelled, late}), 2);
  ASSERT_TRUE(events_->WaitForBegun(2));
  pool_->Stop(cancelled, StopReason::kCancelled);
  pool_->Stop(late, StopReason::kAttemptTimeout);
  ASSERT_TRUE(events_->WaitForEnded(2));
  EXPECT_EQ(events_->result(1).end, AttemptEnd::kStopped);
  EXPECT_EQ(events_->result(2).error_type, "AttemptTimeout");
  EXPECT_THAT(events_->result(2).error_message, HasSubstr("std::system_error"));
}

TEST_F(CoroutinePoolTest, AHandlerThatBlocksTheLoopIsNamedWhileItDoes) {
  options_.blocked_after = milliseconds(20);
  Start();
  ASSERT_EQ(Submit({NewAttempt(1, "block")}), 1);
  ASSERT_TRUE(events_->WaitForWarnings(1));
  EXPECT_TRUE(events_->ended().empty());
  EXPECT_THAT(events_->warnings().at(0),
              AllOf(HasSubstr("handler 'block' has blocked the loop of pool 'coroutine' for"),
                    HasSubstr("co_await")));
  stage_->door_open = true;
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->warnings().size(), 1);
}

TEST_F(CoroutinePoolTest, HandlersThatAwaitDoNotBlock) {
  options_.blocked_after = std::chrono::seconds(20);
  Start();
  std::vector<AttemptPtr> attempts;
  for (uint64_t token = 1; token <= 100; ++token) {
    attempts.push_back(NewAttempt(token, "nap", "30"));
  }
  ASSERT_EQ(Submit(std::move(attempts)), 100);
  ASSERT_TRUE(events_->WaitForEnded(100));
  EXPECT_THAT(events_->warnings(), ElementsAre());
  const HandlerMeter& meter = *handlers_->MeterOf("nap");
  EXPECT_GE(meter.times().wall_ns, meter.measured() * 30'000'000);
  EXPECT_LT(meter.times().cpu_ns, meter.times().wall_ns / 2);
}

TEST_F(CoroutinePoolTest, APlainHandlerRunsToo) {
  handlers_->Add("plain", [](TaskContext&, std::string payload) {
    return AttemptResult::Succeeded(std::move(payload), "");
  });
  Start();
  ASSERT_EQ(Submit({NewAttempt(1, "plain", "hello")}), 1);
  ASSERT_TRUE(events_->WaitForEnded(1));
  EXPECT_EQ(events_->result(1).bytes, "hello");
}

TEST_F(CoroutinePoolTest, OptionsOutOfBoundsAreRefused) {
  for (const int slots : {0, -1, 90'001}) {
    options_.slots = slots;
    EXPECT_EQ(CoroutinePool::Start(options_, handlers_, events_).status().code(),
              absl::StatusCode::kInvalidArgument)
        << slots;
  }
}

}  // namespace
}  // namespace treadle::worker
