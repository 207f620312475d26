#include "treadle/pool.h"

#include <chrono>
#include <csignal>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/with_broker.h"
#include "treadle/process.h"

// Pool as multiprocessing has it, and one task as a Process or Thread, with a real broker and
// worker.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using test::kPatience;
using ::testing::ElementsAre;
using testing::LocalWorker;

constexpr TaskType<int(int)> kSquare{"square"};
constexpr TaskType<int(int, int)> kAdd{"add"};
constexpr TaskType<void()> kUntilStopped{"until_stopped"};
// As a program that was ended by a signal, below 0, or ended with this code.
constexpr TaskType<void(int)> kFailAs{"fail_as"};
constexpr int kNoProgram = 1'000;

void AddHandlers(Worker& worker) {
  worker.Handle(kSquare, [](TaskContext&, int n) -> absl::StatusOr<int> {
    if (n < 0) return Permanent(absl::OutOfRangeError("negative"));
    return n * n;
  });
  worker.Handle(kAdd, [](TaskContext&, int a, int b) { return a + b; });
  worker.Handle(kUntilStopped, [](TaskContext& context) { context.SleepFor(1h); });
  worker.Handle(kFailAs, [](TaskContext&, int code) {
    // What it wrote last speaks of other numbers.
    auto result = worker::AttemptResult::Failed(
        "ExitStatus", "exit status 4: ended by SIGABRT, exit status 5", /*permanent=*/true);
    if (code < 0) result.signal = -code;
    if (code >= 0 && code != kNoProgram) result.exit_code = code;
    return result;
  });
}

class PoolTest : public test::WithBroker {
 protected:
  Pool pool_{*client_, ExecutorOptions("cpu")};
  std::optional<LocalWorker> worker_{std::in_place, *broker_, "cpu", AddHandlers};
};

TEST_F(PoolTest, ApplyWaitsAndApplyAsyncDoesNot) {
  EXPECT_EQ(*pool_.Apply(kSquare, 12), 144);
  const Future<int> result = pool_.ApplyAsync(kAdd, 1, 2);
  EXPECT_EQ(*result.Result(kPatience), 3);
}

TEST_F(PoolTest, MapGivesAllInOrder) {
  EXPECT_THAT(*pool_.Map(kSquare, std::vector<int>{1, 2, 3}), ElementsAre(1, 4, 9));
  EXPECT_THAT(*pool_.Map(kSquare, std::vector<int>{1, 2, 3, 4, 5}, /*chunksize=*/2),
              ElementsAre(1, 4, 9, 16, 25));
  EXPECT_EQ(pool_.Map(kSquare, std::vector<int>{1, -2, 3}).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST_F(PoolTest, MapAsyncTellsWhenItIsReady) {
  const MapResult<int> result = pool_.MapAsync(kSquare, std::vector<int>{1, 2, 3});
  EXPECT_TRUE(result.Wait(kPatience));
  EXPECT_TRUE(result.Ready());
  EXPECT_TRUE(*result.Successful());
  EXPECT_THAT(*result.Get(), ElementsAre(1, 4, 9));

  worker_.reset();
  const MapResult<int> waits = pool_.MapAsync(kSquare, std::vector<int>{1});
  EXPECT_EQ(waits.Get(1ms).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(waits.Wait(1ms));
  EXPECT_FALSE(waits.Ready());
  EXPECT_EQ(waits.Successful().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PoolTest, ImapYieldsInOrder) {
  std::vector<int> squares;
  for (absl::StatusOr<int>& square : pool_.Imap(kSquare, std::vector<int>{3, 2, 1})) {
    squares.push_back(*square);
  }
  EXPECT_THAT(squares, ElementsAre(9, 4, 1));
}

TEST_F(PoolTest, ImapUnorderedYieldsAsTheyEnd) {
  std::vector<int> inputs(100);
  std::iota(inputs.begin(), inputs.end(), 0);
  std::multiset<int> squares;
  for (absl::StatusOr<int>& square : pool_.ImapUnordered(kSquare, inputs, /*chunksize=*/7)) {
    squares.insert(*square);
  }
  EXPECT_EQ(squares.size(), 100u);
  EXPECT_EQ(*squares.rbegin(), 99 * 99);

  worker_.reset();
  UnorderedResults<int> waits = pool_.ImapUnordered(kSquare, std::vector<int>{1});
  EXPECT_EQ(waits.Next(1ms)->status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(PoolTest, StarmapSpreadsTuples) {
  const std::vector<std::tuple<int, int>> pairs = {{1, 2}, {3, 4}};
  EXPECT_THAT(*pool_.Starmap(kAdd, pairs), ElementsAre(3, 7));
  EXPECT_THAT(*pool_.StarmapAsync(kAdd, pairs, /*chunksize=*/2).Get(kPatience), ElementsAre(3, 7));
}

TEST_F(PoolTest, JoinWaitsAfterClose) {
  EXPECT_EQ(pool_.Join().code(), absl::StatusCode::kFailedPrecondition);
  const MapResult<int> result = pool_.MapAsync(kSquare, std::vector<int>(200, 2));
  pool_.Close();
  EXPECT_EQ(pool_.Apply(kSquare, 1).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(pool_.Join().ok());
  EXPECT_TRUE(result.Ready());
}

TEST_F(PoolTest, TerminateCancelsWhatIsNotDone) {
  const Future<void> endless = pool_.ApplyAsync(kUntilStopped);
  pool_.Terminate();
  EXPECT_TRUE(pool_.Join().ok());
  EXPECT_TRUE(endless.Cancelled());
}

TEST_F(PoolTest, AProcessStartsRunsAndJoins) {
  Process process(executor_, kSquare, 5);
  EXPECT_FALSE(process.IsAlive());
  EXPECT_FALSE(process.ExitCode().has_value());
  EXPECT_EQ(process.Join().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(process.Start().ok());
  EXPECT_EQ(process.Start().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(process.Join(kPatience).ok());
  EXPECT_FALSE(process.IsAlive());
  EXPECT_EQ(process.ExitCode(), 0);
  EXPECT_EQ(process.name(), "square");
  EXPECT_NE(process.Ident(), "");

  Process failing(executor_, kSquare, -5);
  ASSERT_TRUE(failing.Start().ok());
  ASSERT_TRUE(failing.Join(kPatience).ok());
  EXPECT_EQ(failing.ExitCode(), 1);
  EXPECT_EQ(failing.Error()->message, "negative");
}

TEST_F(PoolTest, AnExitCodeIsTheProgramsOwn) {
  // The last two have none that is a failure's.
  for (const auto& [as, code] :
       {std::pair(3, 3), {255, 255}, {-SIGSEGV, -SIGSEGV}, {-34, -34}, {0, 1}, {kNoProgram, 1}}) {
    Process process(executor_, kFailAs, as);
    ASSERT_TRUE(process.Start().ok());
    ASSERT_TRUE(process.Join(kPatience).ok());
    EXPECT_EQ(process.ExitCode(), code) << as;
  }
}

TEST_F(PoolTest, AProcessCanBeTerminated) {
  Process process(executor_, kUntilStopped);
  EXPECT_EQ(process.Terminate().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(process.Start().ok());
  EXPECT_TRUE(process.IsAlive());
  EXPECT_EQ(process.Join(1ms).code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(process.Terminate().ok());
  ASSERT_TRUE(process.Join(kPatience).ok());
  EXPECT_EQ(process.ExitCode(), -15);
}

TEST_F(PoolTest, AThreadStartsAndJoins) {
  Thread one(executor_, kAdd, 1, 2);
  Thread two(executor_, kSquare, 2);
  ASSERT_TRUE(one.Start().ok());
  ASSERT_TRUE(two.Start().ok());
  EXPECT_TRUE(one.Join(kPatience).ok());
  EXPECT_TRUE(two.Join(kPatience).ok());
  EXPECT_FALSE(one.IsAlive());
}

}  // namespace
}  // namespace treadle
