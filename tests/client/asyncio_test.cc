#include "treadle/asyncio.h"

#include <chrono>
#include <coroutine>
#include <exception>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tcp_proxy.h"
#include "tests/support/with_broker.h"

// asyncio's functions over futures of a real broker, on an io_context that one thread runs.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using test::kPatience;
using ::testing::ElementsAre;
using testing::LocalWorker;
using ::testing::SizeIs;

constexpr TaskType<int(int)> kSquare{"square"};
constexpr TaskType<std::string(std::string)> kEcho{"echo"};
constexpr TaskType<void()> kUntilStopped{"until_stopped"};

void AddHandlers(Worker& worker) {
  worker.Handle(kSquare, [](TaskContext&, int n) -> absl::StatusOr<int> {
    if (n < 0) return Permanent(absl::OutOfRangeError("negative"));
    return n * n;
  });
  worker.Handle(kEcho, [](TaskContext&, std::string text) { return text; });
  worker.Handle(kUntilStopped, [](TaskContext& context) { context.SleepFor(1h); });
}

class AsyncioTest : public test::WithBroker {
 protected:
  // Runs a coroutine, and whatever it starts, to the end on this thread.
  template <typename T>
  T Run(asio::awaitable<T> coroutine) {
    asio::io_context loop;
    std::future<T> result = asio::co_spawn(loop, std::move(coroutine), asio::use_future);
    loop.run();
    return result.get();
  }

  std::vector<Future<int>> Squares(const std::vector<int>& inputs) {
    std::vector<Future<int>> futures;
    for (const int n : inputs) futures.push_back(executor_.Submit(kSquare, n));
    return futures;
  }
  // A task that nobody serves.
  Future<int> Never() { return Executor(*client_, ExecutorOptions("nobody")).Submit(kSquare, 1); }

  std::optional<LocalWorker> worker_{std::in_place, *broker_, "cpu", AddHandlers};
};

asio::awaitable<absl::StatusOr<int>> SquareTwice(Executor executor, int n) {
  const Future<int> first = executor.Submit(kSquare, n);
  const absl::StatusOr<int> once = co_await asyncio::Await(first);
  if (!once.ok()) co_return once.status();
  const Future<int> second = executor.Submit(kSquare, *once);
  co_return co_await asyncio::Await(second);
}

TEST_F(AsyncioTest, ACoroutineAwaitsFutures) {
  EXPECT_EQ(*Run(SquareTwice(executor_, 3)), 81);
  EXPECT_EQ(Run(SquareTwice(executor_, -3)).status().code(), absl::StatusCode::kOutOfRange);
}

size_t Threads() {
  const std::filesystem::directory_iterator threads("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(threads), end(threads)));
}

asio::awaitable<size_t> ThreadsWhileAwaiting(Executor executor, int count, int* sum) {
  std::vector<asyncio::Task<int>> tasks;
  for (int i = 0; i < count; ++i) {
    tasks.push_back(
        asyncio::CreateTask(co_await asio::this_coro::executor, SquareTwice(executor, 1)));
  }
  const size_t threads = Threads();
  const absl::StatusOr<std::vector<int>> values = co_await asyncio::Gather(tasks);
  for (const int value : values.value()) *sum += value;
  co_return threads;
}

TEST_F(AsyncioTest, AThousandAwaitOnOneThread) {
  const size_t before = Threads();
  int sum = 0;
  // gRPC and the worker may start a few of their own meanwhile.
  EXPECT_LT(Run(ThreadsWhileAwaiting(executor_, 1'000, &sum)), before + 50);
  EXPECT_EQ(sum, 1'000);
}

TEST_F(AsyncioTest, GatherGivesValuesInOrder) {
  EXPECT_THAT(*Run(asyncio::Gather(Squares({3, 1, 2}))), ElementsAre(9, 1, 4));
  EXPECT_THAT(*Run(asyncio::Gather(Squares({}))), SizeIs(0));
}

TEST_F(AsyncioTest, GatherReturnsAtTheFirstFailureAndTheOthersGoOn) {
  std::vector<Future<int>> futures = Squares({-1});
  futures.push_back(Never());
  EXPECT_EQ(Run(asyncio::Gather(futures)).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_FALSE(futures[1].Done());
}

TEST_F(AsyncioTest, GatherAllReturnsEveryEnd) {
  const std::vector<absl::StatusOr<int>> ends = Run(asyncio::GatherAll(Squares({2, -1, 3})));
  ASSERT_THAT(ends, SizeIs(3));
  EXPECT_EQ(*ends[0], 4);
  EXPECT_EQ(ends[1].status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(*ends[2], 9);
}

TEST_F(AsyncioTest, GatherTakesDifferentTypes) {
  auto [square, echo] =
      Run(asyncio::Gather(executor_.Submit(kSquare, 5), executor_.Submit(kEcho, "five")));
  EXPECT_EQ(*square, 25);
  EXPECT_EQ(*echo, "five");
}

TEST_F(AsyncioTest, WaitForCancelsAtItsTimeout) {
  const Future<int> never = Never();
  EXPECT_EQ(Run(asyncio::WaitFor(never, 20ms)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  ASSERT_FALSE(never.Wait(kPatience).ok());
  EXPECT_TRUE(never.Cancelled());
  EXPECT_EQ(*Run(asyncio::WaitFor(executor_.Submit(kSquare, 4), kPatience)), 16);
}

asio::awaitable<absl::Status> AwaitNever(Future<int> never, bool* after) {
  const absl::StatusOr<int> result = co_await asyncio::Await(never);
  *after = true;
  co_return result.status();
}

TEST_F(AsyncioTest, TimeoutCancelsABodyAndWhatItAwaits) {
  const Future<int> never = Never();
  bool after = false;
  EXPECT_EQ(Run(asyncio::Timeout(20ms, AwaitNever(never, &after))).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(after);
  ASSERT_FALSE(never.Wait(kPatience).ok());
  EXPECT_TRUE(never.Cancelled());
  EXPECT_EQ(*Run(asyncio::Timeout(kPatience, SquareTwice(executor_, 2))), 16);
  EXPECT_EQ(Run(asyncio::Timeout(20ms, asyncio::Sleep(1h))).code(),
            absl::StatusCode::kDeadlineExceeded);
}

asio::awaitable<absl::StatusOr<int>> ShieldIt(Future<int> future) {
  co_return co_await asyncio::Shield(future);
}

TEST_F(AsyncioTest, ShieldLetsTheTaskGoOn) {
  const Future<int> never = Never();
  EXPECT_EQ(Run(asyncio::Timeout(20ms, ShieldIt(never))).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(never.Accepted(kPatience).ok());
  EXPECT_EQ(client_->GetTask(never.Id())->state(), v1::TASK_STATE_QUEUED);
  EXPECT_EQ(*Run(asyncio::Shield(executor_.Submit(kSquare, 6))), 36);
}

TEST_F(AsyncioTest, WaitReturnsWhatIsDoneAndWhatIsNot) {
  std::vector<Future<int>> futures = Squares({2});
  futures.push_back(Never());
  const auto first = Run(asyncio::Wait(futures, kPatience, ReturnWhen::kFirstCompleted));
  EXPECT_THAT(first.done, SizeIs(1));
  EXPECT_THAT(first.pending, SizeIs(1));
  EXPECT_FALSE(futures[1].Done());
  const auto timed_out = Run(asyncio::Wait(futures, 10ms));
  EXPECT_THAT(timed_out.pending, SizeIs(1));
  futures.push_back(executor_.Submit(kSquare, -1));
  const auto failed = Run(asyncio::Wait(futures, kPatience, ReturnWhen::kFirstException));
  EXPECT_THAT(failed.done, SizeIs(2));
}

asio::awaitable<std::vector<int>> InOrderOfEnds(std::vector<Future<int>> futures, Timeout timeout,
                                                bool* timed_out) {
  auto completed = asyncio::AsCompleted(futures, timeout);
  std::vector<int> results;
  while (true) {
    std::optional<Future<int>> done = co_await completed.Next();
    if (!done.has_value()) break;
    results.push_back(done->Result().value());
  }
  *timed_out = completed.timed_out();
  co_return results;
}

TEST_F(AsyncioTest, AsCompletedGivesEachAtItsEnd) {
  bool timed_out = true;
  EXPECT_THAT(Run(InOrderOfEnds(Squares({1, 2, 3}), kForever, &timed_out)),
              ::testing::UnorderedElementsAre(1, 4, 9));
  EXPECT_FALSE(timed_out);
  std::vector<Future<int>> futures = Squares({2});
  ASSERT_TRUE(futures[0].Wait(kPatience).ok());
  futures.push_back(Never());
  EXPECT_THAT(Run(InOrderOfEnds(futures, 20ms, &timed_out)), ElementsAre(4));
  EXPECT_TRUE(timed_out);
}

asio::awaitable<absl::Status> GroupOf(std::vector<Future<int>> futures, Executor executor,
                                      bool* slept) {
  asyncio::TaskGroup group(co_await asio::this_coro::executor);
  for (const Future<int>& future : futures) group.Add(future);
  const asyncio::Task<int> square = group.CreateTask(SquareTwice(executor, 2));
  const asyncio::Task<void> sleep = group.CreateTask(asyncio::Sleep(10ms));
  const absl::Status status = co_await group.Join();
  *slept = square.Done() && sleep.Done() && sleep.Result().ok();
  co_return status;
}

TEST_F(AsyncioTest, ATaskGroupJoinsAll) {
  bool slept = false;
  EXPECT_TRUE(Run(GroupOf(Squares({1, 2}), executor_, &slept)).ok());
  EXPECT_TRUE(slept);
}

TEST_F(AsyncioTest, ATaskGroupCancelsTheSiblingsOfAFailure) {
  std::vector<Future<int>> futures = {Never()};
  futures.push_back(executor_.Submit(kSquare, -1));
  bool slept = false;
  EXPECT_EQ(Run(GroupOf(futures, executor_, &slept)).code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(futures[0].Cancelled());
}

asio::awaitable<absl::Status> CancelATask(Future<int> never) {
  bool after = false;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const asyncio::Task<void> task = asyncio::CreateTask(executor, AwaitNever(never, &after));
  EXPECT_EQ(task.Result().code(), absl::StatusCode::kFailedPrecondition);
  co_await asyncio::Sleep(5ms);
  EXPECT_TRUE(task.Cancel());
  const absl::Status status = co_await asyncio::Shield(task);
  EXPECT_FALSE(task.Cancel());
  co_return status;
}

TEST_F(AsyncioTest, CancellingATaskCancelsWhatItAwaits) {
  const Future<int> never = Never();
  EXPECT_EQ(Run(CancelATask(never)).code(), absl::StatusCode::kCancelled);
  ASSERT_FALSE(never.Wait(kPatience).ok());
  EXPECT_TRUE(never.Cancelled());
}

asio::awaitable<void> Throw() {
  co_await asyncio::Sleep(1ms);
  throw std::runtime_error("no such loom");
}

TEST_F(AsyncioTest, AnExceptionIsATasksError) {
  asio::io_context loop;
  const asyncio::Task<void> task = asyncio::CreateTask(loop.get_executor(), Throw());
  loop.run();
  EXPECT_EQ(task.Result(), absl::UnknownError("no such loom"));
}

asio::awaitable<void> Produce(asyncio::Queue<int> queue, int count, absl::Status* status) {
  for (int i = 0; i < count; ++i) status->Update(co_await queue.Put(i));
  status->Update(co_await queue.Join());
}

asio::awaitable<void> Consume(asyncio::Queue<int> queue, int count, int* sum) {
  for (int i = 0; i < count; ++i) {
    const absl::StatusOr<int> item = co_await queue.Get();
    if (item.ok()) *sum += *item;
    const absl::Status done = co_await queue.TaskDone();
    EXPECT_TRUE(done.ok()) << done;
  }
}

TEST_F(AsyncioTest, CoroutinesPutAndGetThroughAQueue) {
  absl::StatusOr<asyncio::Queue<int>> queue =
      asyncio::Queue<int>::Open(*client_, "items", QueueOptions(3));
  ASSERT_TRUE(queue.ok()) << queue.status();
  absl::Status status;
  int sum = 0;
  asio::io_context loop;
  asio::co_spawn(loop, Produce(*queue, 20, &status), asio::detached);
  asio::co_spawn(loop, Consume(*queue, 10, &sum), asio::detached);
  asio::co_spawn(loop, Consume(*queue, 10, &sum), asio::detached);
  loop.run();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(sum, 190);
}

TEST_F(AsyncioTest, AGetThatIsCancelledTakesNoItem) {
  absl::StatusOr<asyncio::Queue<int>> queue = asyncio::Queue<int>::Open(*client_, "items");
  ASSERT_TRUE(queue.ok()) << queue.status();
  EXPECT_EQ(Run(asyncio::Timeout(20ms, queue->Get())).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(Run(queue->PutNowait(7)).ok());
  EXPECT_EQ(*Run(asyncio::Timeout(kPatience, queue->Get())), 7);
  EXPECT_EQ(*Run(queue->Size()), 0);
  absl::StatusOr<Queue<int>> others = Queue<int>::Open(*client_, "items");
  ASSERT_TRUE(others->Shutdown().ok());
  EXPECT_TRUE(IsShutDown(Run(queue->Get()).status()));
  EXPECT_TRUE(IsShutDown(Run(queue->PutNowait(8))));
}

TEST_F(AsyncioTest, AQueueMayGoWhileItsGetIsUnderWay) {
  absl::StatusOr<Queue<int>> others = Queue<int>::Open(*client_, "items");
  ASSERT_TRUE(others.ok()) << others.status();
  {
    std::unique_ptr<Client> client = test::ConnectTo(broker_->address());
    absl::StatusOr<asyncio::Queue<int>> queue = asyncio::Queue<int>::Open(*client, "items");
    ASSERT_TRUE(queue.ok()) << queue.status();
    EXPECT_EQ(Run(asyncio::Timeout(5ms, queue->Get())).status().code(),
              absl::StatusCode::kDeadlineExceeded);
    queue = absl::CancelledError("gone");
    // What the question still brings is handed back.
    EXPECT_TRUE(others->Put(7).ok());
    EXPECT_EQ(*others->Get(true, kPatience), 7);
    EXPECT_TRUE(others->TaskDone().ok());
  }
}

TEST_F(AsyncioTest, AJoinOutlastsLostConnections) {
  test::TcpProxy proxy(test::PortOf(*broker_));
  const std::unique_ptr<Client> far = test::ConnectTo(proxy.address());
  absl::StatusOr<asyncio::Queue<int>> queue = asyncio::Queue<int>::Open(*far, "items");
  ASSERT_TRUE(queue.ok()) << queue.status();
  ASSERT_TRUE(Run(queue->PutNowait(7)).ok());
  auto joined = std::async(std::launch::async, [&] { return Run(queue->Join()); });
  for (int i = 0; i < 3; ++i) {
    proxy.Freeze();
    EXPECT_EQ(joined.wait_for(150ms), std::future_status::timeout);  // a question is under way
    proxy.Cut();
    proxy.Thaw();
  }
  absl::StatusOr<Queue<int>> others = Queue<int>::Open(*client_, "items");
  ASSERT_TRUE(others.ok()) << others.status();
  EXPECT_EQ(*others->Get(), 7);
  EXPECT_TRUE(others->TaskDone().ok());
  const absl::Status status = joined.get();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(AsyncioTest, AGetWhoseLoopGoesTakesNoItem) {
  absl::StatusOr<asyncio::Queue<int>> queue = asyncio::Queue<int>::Open(*client_, "items");
  ASSERT_TRUE(queue.ok()) << queue.status();
  {
    asio::io_context loop;
    const asyncio::Task<int> get = asyncio::CreateTask(loop.get_executor(), queue->Get());
    loop.poll();
    EXPECT_FALSE(get.Done());
  }
  EXPECT_TRUE(Run(queue->PutNowait(7)).ok());
  EXPECT_EQ(*Run(asyncio::Timeout(kPatience, queue->Get())), 7);
}

// The least that a coroutine can be.
struct Plain {
  struct promise_type {
    Plain get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Plain AwaitInPlainCoroutine(Future<int> future, std::promise<int>* result) {
  const absl::StatusOr<int> square = co_await future;
  result->set_value(square.value());
}

TEST_F(AsyncioTest, ACoroutineOfAnyTypeAwaitsAFuture) {
  std::promise<int> result;
  AwaitInPlainCoroutine(executor_.Submit(kSquare, 7), &result);
  EXPECT_EQ(result.get_future().get(), 49);
}

}  // namespace
}  // namespace treadle
