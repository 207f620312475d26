#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/fake_broker.h"
#include "treadle/asyncio.h"
#include "treadle/treadle.h"

// asyncio::Submit while the client's window is full, against a scripted broker.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr TaskType<int(int)> kSquare{"square"};

class AsyncioSubmitTest : public ::testing::Test {
 protected:
  // With one task in the window, which the broker has not answered. By default there is no room for
  // another.
  void FillWindow(ClientOptions options, int64_t window_tasks = 1) {
    options.window_tasks = window_tasks;
    options.shutdown_timeout = 10ms;
    auto [client, stream] = broker_.Connect(std::move(options));
    client_ = std::move(client);
    stream_ = std::move(stream);
    executor_.emplace(*client_, "cpu");
    first_ = executor_->Submit(kSquare, 1);
    ASSERT_THAT(stream_->Tasks(1), SizeIs(1));
  }
  ClientOptions Options() const { return broker_.Options(); }

  asyncio::Task<void> Submit(int n) {
    return asyncio::CreateTask(loop_.get_executor(), SubmitInto(*executor_, n, futures_));
  }
  static asio::awaitable<void> SubmitInto(Executor executor, int n,
                                          std::vector<Future<int>>& futures) {
    asio::awaitable<Future<int>> submitted = asyncio::Submit(executor, kSquare, n);
    futures.push_back(co_await std::move(submitted));
  }

  // Runs the loop until `holds`.
  bool RunUntil(const std::function<bool()>& holds) {
    const auto limit = std::chrono::steady_clock::now() + 60s;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      loop_.restart();
      loop_.run_for(5ms);
    }
    return true;
  }
  void Settle() {
    loop_.restart();
    loop_.poll();
  }
  std::string NextPayload() { return stream_->Tasks(1).at(0).task().payload(); }

  FakeBroker broker_;
  std::unique_ptr<Client> client_;
  std::shared_ptr<FakeStream> stream_;
  std::optional<Executor> executor_;
  std::optional<Future<int>> first_;
  std::vector<Future<int>> futures_;
  asio::io_context loop_;
};

TEST_F(AsyncioSubmitTest, CoroutinesWaitInLineForRoomAndTheLoopGoesOn) {
  FillWindow(Options());
  std::vector<asyncio::Task<void>> tasks;
  for (const int n : {2, 3, 4}) tasks.push_back(Submit(n));
  bool ran = false;
  asio::post(loop_, [&] { ran = true; });
  Settle();
  EXPECT_TRUE(ran);
  EXPECT_THAT(futures_, IsEmpty());
  for (const int n : {2, 3, 4}) {
    stream_->Accept(n - 1, n - 1);
    EXPECT_TRUE(RunUntil([&] { return futures_.size() == static_cast<size_t>(n - 1); })) << n;
    EXPECT_EQ(NextPayload(), EncodeArguments(n)->bytes);
  }
  EXPECT_EQ(client_->Stats().submitted, 4);
}

TEST_F(AsyncioSubmitTest, WhoSubmitsFromAThreadComesBehindTheLine) {
  ClientOptions options = Options();
  options.window_bytes = 400;
  options.window_wait = 200ms;
  FillWindow(std::move(options), /*window_tasks=*/10);
  // Too large for what is left, where a small one would fit.
  constexpr TaskType<std::string(std::string)> kEcho{"echo"};
  asio::awaitable<Future<std::string>> large =
      asyncio::Submit(*executor_, kEcho, std::string(380, 'x'));
  asio::co_spawn(loop_, std::move(large), asio::detached);
  Settle();
  EXPECT_TRUE(absl::IsResourceExhausted(executor_->Submit(kSquare, 2).Result().status()));
  EXPECT_EQ(client_->Stats().submitted, 1);
}

TEST_F(AsyncioSubmitTest, WithRoomItGoesAtOnce) {
  FillWindow(Options());
  stream_->Accept(1, 1);
  ASSERT_TRUE(first_->Accepted().ok());
  Submit(2);
  EXPECT_TRUE(RunUntil([&] { return futures_.size() == 1; }));
  EXPECT_EQ(NextPayload(), EncodeArguments(2)->bytes);
}

TEST_F(AsyncioSubmitTest, WhoIsCancelledLeavesTheLine) {
  FillWindow(Options());
  const asyncio::Task<void> leaves = Submit(2);
  const asyncio::Task<void> stays = Submit(3);
  Settle();
  leaves.Cancel();
  ASSERT_TRUE(RunUntil([&] { return leaves.Done(); }));
  stream_->Accept(1, 1);
  ASSERT_TRUE(RunUntil([&] { return stays.Done(); }));
  EXPECT_EQ(NextPayload(), EncodeArguments(3)->bytes);
  EXPECT_EQ(client_->Stats().submitted, 2);
}

// Room that came for a coroutine which does not take it any more goes to the next.
TEST_F(AsyncioSubmitTest, RoomThatIsNotTakenIsGivenBack) {
  FillWindow(Options());
  {
    asio::io_context gone;
    asyncio::CreateTask(gone.get_executor(), SubmitInto(*executor_, 2, futures_));
    gone.poll();
    stream_->Accept(1, 1);
    ASSERT_TRUE(first_->Accepted().ok());
  }
  Submit(3);
  ASSERT_TRUE(RunUntil([&] { return futures_.size() == 1; }));
  EXPECT_EQ(NextPayload(), EncodeArguments(3)->bytes);
}

TEST_F(AsyncioSubmitTest, AfterWindowWaitItIsRefused) {
  ClientOptions options = Options();
  options.window_wait = 20ms;
  FillWindow(std::move(options));
  Submit(2);
  ASSERT_TRUE(RunUntil([&] { return futures_.size() == 1; }));
  EXPECT_TRUE(absl::IsResourceExhausted(futures_[0].Result().status()));
}

TEST_F(AsyncioSubmitTest, AShutdownEndsTheWait) {
  FillWindow(Options());
  Submit(2);
  Settle();
  client_->Shutdown();
  ASSERT_TRUE(RunUntil([&] { return futures_.size() == 1; }));
  EXPECT_TRUE(absl::IsUnavailable(futures_[0].Result().status()));
}

TEST_F(AsyncioSubmitTest, WhatCannotBeSentDoesNotWait) {
  FillWindow(Options());
  executor_->Shutdown(/*wait=*/false);
  Submit(2);
  ASSERT_TRUE(RunUntil([&] { return futures_.size() == 1; }));
  EXPECT_TRUE(absl::IsFailedPrecondition(futures_[0].Result().status()));
}

}  // namespace
}  // namespace treadle
