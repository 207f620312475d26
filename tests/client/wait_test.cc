#include "treadle/wait.h"

#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/fake_broker.h"
#include "treadle/executor.h"
#include "treadle/task_type.h"

namespace treadle {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

constexpr TaskType<int(int)> kSquare{"square"};

class WaitTest : public ::testing::Test {
 protected:
  WaitTest() { std::tie(client_, stream_) = broker_.Connect(); }

  std::vector<Future<int>> Submit(int count) {
    const Executor executor(*client_, ExecutorOptions("cpu"));
    std::vector<Future<int>> futures;
    for (int i = 0; i < count; ++i) futures.push_back(executor.Submit(kSquare, i));
    stream_->Tasks(static_cast<size_t>(count));
    return futures;
  }

  // Ends task `index` of the first Submit, from 0.
  void Succeed(int index) {
    stream_->Succeed(IdOf(7, static_cast<uint64_t>(index) + 1), std::to_string(index * index));
  }

  FakeBroker broker_;
  std::unique_ptr<Client> client_;
  std::shared_ptr<FakeStream> stream_;
};

TEST_F(WaitTest, AsCompletedYieldsInOrderOfTheEnds) {
  const std::vector<Future<int>> futures = Submit(4);
  std::vector<int> results;
  const std::vector<int> order = {2, 0, 3, 1};
  size_t next = 0;
  Succeed(order[next++]);
  for (const Future<int>& done : AsCompleted(futures)) {
    EXPECT_TRUE(done.Done());
    results.push_back(*done.Result());
    if (next < order.size()) Succeed(order[next++]);
  }
  EXPECT_THAT(results, ElementsAre(4, 0, 9, 1));
}

TEST_F(WaitTest, AsCompletedYieldsWhatWasDoneBefore) {
  const std::vector<Future<int>> futures = Submit(3);
  for (int i = 0; i < 3; ++i) Succeed(i);
  for (const Future<int>& future : futures) ASSERT_TRUE(future.Wait().ok());
  std::set<int> results;
  for (const Future<int>& done : AsCompleted(futures)) results.insert(*done.Result());
  EXPECT_THAT(results, ElementsAre(0, 1, 4));
}

TEST_F(WaitTest, AsCompletedEndsAtItsTimeout) {
  const std::vector<Future<int>> futures = Submit(2);
  Succeed(1);
  ASSERT_TRUE(futures[1].Wait().ok());
  auto completed = AsCompleted(futures, 20ms);
  std::vector<int> results;
  for (const Future<int>& done : completed) results.push_back(*done.Result());
  EXPECT_THAT(results, ElementsAre(1));
  EXPECT_TRUE(completed.timed_out());
  ASSERT_EQ(completed.Remaining().size(), 1u);
  EXPECT_EQ(completed.Remaining()[0].state().get(), futures[0].state().get());
}

TEST_F(WaitTest, AsCompletedOfNothingIsEmpty) {
  auto completed = AsCompleted(std::vector<Future<int>>());
  for (const Future<int>& done : completed) ADD_FAILURE() << done.Id();
  EXPECT_FALSE(completed.timed_out());
}

TEST_F(WaitTest, AllCompletedWaitsForAll) {
  const std::vector<Future<int>> futures = Submit(3);
  std::thread ends([&] {
    for (int i = 2; i >= 0; --i) Succeed(i);
  });
  const WaitResult<Future<int>> result = Wait(futures);
  ends.join();
  EXPECT_EQ(result.done.size(), 3u);
  EXPECT_TRUE(result.not_done.empty());
  EXPECT_EQ(*result.done[2].Result(), 4);
}

TEST_F(WaitTest, FirstCompletedReturnsAtTheFirst) {
  const std::vector<Future<int>> futures = Submit(3);
  Succeed(1);
  const WaitResult<Future<int>> result = Wait(futures, kForever, ReturnWhen::kFirstCompleted);
  ASSERT_EQ(result.done.size(), 1u);
  EXPECT_EQ(*result.done[0].Result(), 1);
  EXPECT_EQ(result.not_done.size(), 2u);
}

TEST_F(WaitTest, FirstExceptionPassesOverSuccess) {
  const std::vector<Future<int>> futures = Submit(3);
  Succeed(0);
  stream_->Fail(IdOf(7, 2), "ValueError", "no");
  const WaitResult<Future<int>> result = Wait(futures, kForever, ReturnWhen::kFirstException);
  EXPECT_EQ(result.done.size(), 2u);
  EXPECT_EQ(result.not_done.size(), 1u);
}

TEST_F(WaitTest, FirstExceptionWithoutOneWaitsForAll) {
  const std::vector<Future<int>> futures = Submit(2);
  Succeed(0);
  Succeed(1);
  EXPECT_EQ(Wait(futures, kForever, ReturnWhen::kFirstException).done.size(), 2u);
}

TEST_F(WaitTest, ATimeoutReturnsWhatIsDone) {
  const std::vector<Future<int>> futures = Submit(2);
  Succeed(0);
  ASSERT_TRUE(futures[0].Wait().ok());
  const WaitResult<Future<int>> result = Wait(futures, 5ms);
  EXPECT_EQ(result.done.size(), 1u);
  EXPECT_EQ(result.not_done.size(), 1u);
  EXPECT_TRUE(Wait(std::vector<Future<int>>()).done.empty());
}

TEST_F(WaitTest, MapGivesResultsInOrderOfTheInputs) {
  const Executor executor(*client_, ExecutorOptions("cpu"));
  MapResults<int> squares = executor.Map(kSquare, std::vector<int>{0, 1, 2});
  stream_->Tasks(3);
  Succeed(2);
  stream_->Fail(IdOf(7, 2), "ValueError", "no one");
  Succeed(0);
  std::vector<std::string> results;
  for (absl::StatusOr<int>& square : squares) {
    results.push_back(square.ok() ? std::to_string(*square)
                                  : GetTaskError(square.status())->message);
  }
  EXPECT_THAT(results, ElementsAre("0", "no one", "4"));
}

}  // namespace
}  // namespace treadle
