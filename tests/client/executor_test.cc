#include "treadle/executor.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/with_broker.h"

// Executor and Future as concurrent.futures has them, with a real broker and a real worker.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using test::kPatience;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LocalWorker;
using ::testing::SizeIs;

constexpr TaskType<int(int)> kSquare{"square"};
constexpr TaskType<int(int, int)> kPower{"power"};
constexpr TaskType<int(int)> kHold{"hold"};
constexpr TaskType<int(int)> kSomeoneElses{"someone_elses"};

int Power(int base, int exponent) {
  int power = 1;
  for (int i = 0; i < exponent; ++i) power *= base;
  return power;
}

// Opens once, for all.
class Gate {
 public:
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

class ExecutorTest : public test::WithBroker {
 protected:
  void AddHandlers(Worker& worker) {
    worker.Handle(kSquare, [this](TaskContext&, int n) -> absl::StatusOr<int> {
      ++runs_;
      if (n < 0) return Permanent(absl::InvalidArgumentError("n is negative"));
      return n * n;
    });
    worker.Handle(kPower, [](TaskContext&, int base, int e) { return Power(base, e); });
    worker.Handle(kHold, [this](TaskContext&, int n) {
      running_.Open();
      gate_.Pass();
      return n;
    });
  }

  std::atomic<int> runs_ = 0;
  Gate running_;
  Gate gate_;
  // Destroyed first: its handlers use what stands above.
  std::optional<LocalWorker> worker_{std::in_place, *broker_, "cpu",
                                     [this](Worker& worker) { AddHandlers(worker); }};
};

TEST_F(ExecutorTest, MapTakesTuplesForSeveralArguments) {
  const std::vector<std::tuple<int, int>> inputs = {{2, 5}, {3, 2}, {10, 3}};
  std::vector<int> powers;
  for (absl::StatusOr<int>& power : executor_.Map(kPower, inputs)) powers.push_back(*power);
  EXPECT_THAT(powers, ElementsAre(32, 9, 1000));
}

TEST_F(ExecutorTest, ManyAreSubmittedAtOnce) {
  std::vector<Future<int>> squares = executor_.SubmitAll(kSquare, std::views::iota(0, 3'000));
  ASSERT_EQ(squares.size(), 3'000u);
  for (int n = 0; n < 3'000; ++n) {
    const absl::StatusOr<int> square = squares[static_cast<size_t>(n)].Result();
    ASSERT_TRUE(square.ok()) << square.status();
    ASSERT_EQ(*square, n * n);
  }
  const std::vector<std::tuple<int, int>> inputs = {{2, 5}, {3, 2}};
  std::vector<Future<int>> powers = executor_.SubmitAll(kPower, inputs);
  EXPECT_EQ(*powers[1].Result(), 9);
  EXPECT_TRUE(executor_.SubmitAll(kSquare, std::vector<int>()).empty());
  for (const Future<Acceptance>& posted : executor_.PostAll(kSquare, std::vector<int>{7, 8})) {
    EXPECT_TRUE(posted.Result().ok());
  }
}

TEST_F(ExecutorTest, AChunkRunsManyCallsInOneTask) {
  std::vector<int> inputs(1'000);
  std::iota(inputs.begin(), inputs.end(), 0);
  MapOptions options;
  options.chunksize = 64;
  int expected = 0;
  for (absl::StatusOr<int>& square : executor_.Map(kSquare, inputs, options)) {
    ASSERT_TRUE(square.ok()) << square.status();
    ASSERT_EQ(*square, expected * expected);
    ++expected;
  }
  EXPECT_EQ(expected, 1'000);
  EXPECT_EQ(client_->GetQueue("cpu")->stats().submitted_total(), 16);  // 1,000 / 64, rounded up
}

TEST_F(ExecutorTest, AChunkFailsAsOneAndSaysWhere) {
  MapOptions options;
  options.chunksize = 2;
  std::vector<absl::Status> ends;
  for (absl::StatusOr<int>& square :
       executor_.Map(kSquare, std::vector<int>{1, 2, 3, -4, 5}, options)) {
    ends.push_back(square.status());
  }
  ASSERT_THAT(ends, SizeIs(5));
  EXPECT_TRUE(ends[0].ok() && ends[1].ok() && ends[4].ok());
  EXPECT_EQ(ends[2].code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(ends[3].message()), HasSubstr("call 2 of 2 in a chunk"));
}

TEST_F(ExecutorTest, ABufferReadsInputsAsResultsAreTaken) {
  std::atomic<int> read = 0;
  auto inputs = std::views::iota(0, 100) | std::views::transform([&](int n) {
                  ++read;
                  return n;
                });
  MapOptions options;
  options.buffersize = 10;
  MapResults<int> squares = executor_.Map(kSquare, inputs, options);
  EXPECT_EQ(read, 10);
  EXPECT_EQ(**squares.Next(), 0);
  EXPECT_EQ(read, 11);
  int sum = 0;
  for (absl::StatusOr<int>& square : squares) sum += *square;
  EXPECT_EQ(sum, 328'350);
  EXPECT_EQ(read, 100);
}

TEST_F(ExecutorTest, AMapEndsAtItsTimeoutAndCancelsTheRest) {
  MapOptions options;
  options.timeout = 50ms;
  std::vector<absl::Status> ends;
  for (absl::StatusOr<int>& held : executor_.Map(kHold, std::vector<int>(10, 1), options)) {
    ends.push_back(held.status());
  }
  ASSERT_THAT(ends, SizeIs(1));
  EXPECT_EQ(ends[0].code(), absl::StatusCode::kDeadlineExceeded);
  // Those that no thread holds.
  while (client_->GetQueue("cpu")->stats().cancelled_total() < 7) std::this_thread::yield();
  gate_.Open();
  executor_.Shutdown();
}

TEST_F(ExecutorTest, AMapThatIsLeftEarlyCancelsTheRest) {
  {
    Executor first(*client_, ExecutorOptions("cpu"));
    {
      MapResults<int> results = first.Map(kSquare, std::vector<int>{1, 2});
      // Not begun: all runs, as in Python.
    }
    first.Shutdown();
  }
  {
    worker_.reset();
    MapOptions options;
    options.timeout = 1ms;
    MapResults<int> results = executor_.Map(kSquare, std::vector<int>{3, 4, 5}, options);
    EXPECT_FALSE(results.Next()->ok());
  }
  executor_.Shutdown();
  const v1::QueueStats stats = client_->GetQueue("cpu")->stats();
  EXPECT_EQ(stats.succeeded_total(), 2);
  EXPECT_EQ(stats.queued(), 0);
  EXPECT_LE(stats.cancelled_total(), 3);  // one that had not been sent yet never came to be
}

TEST_F(ExecutorTest, ShutdownWaitsForWhatWasSubmitted) {
  std::vector<Future<int>> futures;
  for (int i = 0; i < 100; ++i) futures.push_back(executor_.Submit(kSquare, i));
  const Executor other(*client_, ExecutorOptions("nobody"));
  const Future<int> others = other.Submit(kSquare, 1);
  executor_.Shutdown();
  for (const Future<int>& future : futures) EXPECT_TRUE(future.Done());
  EXPECT_FALSE(others.Done());
  EXPECT_EQ(executor_.Submit(kSquare, 1).Result().status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ExecutorTest, ShutdownCancelsWhatHasNotBegun) {
  const Future<int> running = executor_.Submit(kHold, 7);
  running_.Pass();
  SubmitOptions later;
  later.delay = 1h;
  const Future<int> pending = executor_.Submit(later, kSquare, 3);
  executor_.Shutdown(/*wait=*/false, /*cancel_futures=*/true);
  EXPECT_EQ(pending.Result(kPatience).status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(pending.Cancelled());
  EXPECT_FALSE(running.Done());
  gate_.Open();
  EXPECT_EQ(*running.Result(kPatience), 7);
  EXPECT_FALSE(running.Cancelled());
}

TEST_F(ExecutorTest, AFutureRunsWhileAWorkerRunsIt) {
  const Future<int> future = executor_.Submit(kHold, 1);
  running_.Pass();
  EXPECT_TRUE(*future.Running());
  gate_.Open();
  ASSERT_TRUE(future.Wait(kPatience).ok());
  EXPECT_FALSE(*future.Running());
  SubmitOptions later;
  later.delay = 1h;
  const Future<int> waits = executor_.Submit(later, kSquare, 1);
  ASSERT_TRUE(waits.Accepted(kPatience).ok());
  EXPECT_FALSE(*waits.Running());
}

TEST_F(ExecutorTest, ExceptionTellsTypeMessageWorkerAndAttempt) {
  const Future<int> good = executor_.Submit(kSquare, 2);
  EXPECT_FALSE(good.Exception(kPatience)->has_value());
  const absl::StatusOr<std::optional<TaskError>> error =
      executor_.Submit(kSquare, -1).Exception(kPatience);
  ASSERT_TRUE(error.ok()) << error.status();
  ASSERT_TRUE(error->has_value());
  EXPECT_EQ((*error)->type, "INVALID_ARGUMENT");
  EXPECT_EQ((*error)->message, "n is negative");
  EXPECT_THAT((*error)->worker, HasSubstr("local-worker-"));
  EXPECT_EQ((*error)->attempt, 1);

  SubmitOptions later;
  later.delay = 1h;
  const Future<int> waits = executor_.Submit(later, kSquare, 1);
  EXPECT_EQ(waits.Exception(1ms).status().code(), absl::StatusCode::kDeadlineExceeded);
  waits.Cancel();
  EXPECT_EQ(waits.Exception(kPatience).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ExecutorTest, APoolIsBrokenWhenNoWorkerServesTheType) {
  ExecutorOptions options("cpu");
  options.broken_after = 100ms;
  Executor executor(*client_, options);
  EXPECT_EQ(*executor.Submit(kSquare, 3).Result(kPatience), 9);
  const Future<int> nobodys = executor.Submit(kSomeoneElses, 3);
  const absl::Status broken = nobodys.Result(kPatience).status();
  EXPECT_TRUE(IsBrokenPool(broken)) << broken;
  EXPECT_THAT(std::string(broken.message()), HasSubstr("'someone_elses' from queue 'cpu'"));
  EXPECT_TRUE(IsBrokenPool(executor.Submit(kSomeoneElses, 4).Result().status()));
  // The other type is served as before, and what was given up runs no more.
  EXPECT_EQ(*executor.Submit(kSquare, 4).Result(kPatience), 16);
  EXPECT_EQ(client_->GetQueue("cpu")->stats().cancelled_total(), 1);
}

}  // namespace
}  // namespace treadle
