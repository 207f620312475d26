#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/manual_future.h"
#include "treadle/asyncio.h"

// How coroutines end with their context, and how cancelled ones unwind, over futures that the test
// ends.

namespace treadle {
namespace {

using namespace std::chrono_literals;
using asyncio::Task;
using asyncio::TaskGroup;
using test::ManualFuture;

// Says when a coroutine's frame goes.
struct Trace {
  explicit Trace(bool* gone_in) : gone(gone_in) {}
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  ~Trace() { *gone = true; }
  bool* gone;
};

asio::awaitable<void> AwaitForEver(Future<int> future, bool* gone) {
  const Trace trace(gone);
  const absl::StatusOr<int> result = co_await asyncio::Await(future);
  ADD_FAILURE() << "resumed";
}

TEST(AsyncioLoop, ACoroutineThatAwaitsGoesWithItsContext) {
  for (const bool strand : {false, true}) {
    ManualFuture<int> task;
    bool gone = false;
    {
      asio::io_context loop;
      asio::any_io_executor executor = loop.get_executor();
      if (strand) executor = asio::make_strand(loop);
      asio::co_spawn(executor, AwaitForEver(task.future(), &gone), asio::detached);
      loop.poll();
      EXPECT_FALSE(gone);
    }
    EXPECT_TRUE(gone);
    task.Succeed("1");
  }
}

asio::awaitable<void> AwaitForEverUntil(Future<int> future, bool* gone) {
  const Trace trace(gone);
  const absl::StatusOr<int> result = co_await asyncio::WaitFor(future, 1h);
  ADD_FAILURE() << "resumed";
}

TEST(AsyncioLoop, ATaskWhoseContextHasGoneIsCancelled) {
  ManualFuture<int> future;
  bool gone = false;
  std::optional<Task<void>> task;
  absl::Status told;
  {
    asio::io_context loop;
    task = asyncio::CreateTask(asio::make_strand(loop), AwaitForEverUntil(future.future(), &gone));
    task->AddDoneCallback([&](const Task<void>& done) { told = done.Result(); });
    loop.poll();
    EXPECT_FALSE(task->Done());
  }
  EXPECT_TRUE(gone);
  EXPECT_EQ(told.code(), absl::StatusCode::kCancelled);
  EXPECT_FALSE(task->Cancel());
  future.Fail(absl::AbortedError("late"));
}

TEST(AsyncioLoop, ATaskThatNeverBeganIsCancelled) {
  ManualFuture<int> future;
  bool gone = false;
  std::optional<Task<void>> task;
  {
    asio::io_context loop;
    task = asyncio::CreateTask(loop.get_executor(), AwaitForEver(future.future(), &gone));
  }
  EXPECT_TRUE(task->Done());
  EXPECT_EQ(task->Result().code(), absl::StatusCode::kCancelled);
}

TEST(AsyncioLoop, AGroupOfSeveralContextsOutlivesOneOfThem) {
  ManualFuture<int> awaited;
  ManualFuture<int> member;
  bool gone = false;
  asio::io_context loop;
  TaskGroup group(loop.get_executor());
  std::optional<Task<void>> task;
  {
    asio::io_context other;
    task = asyncio::CreateTask(other.get_executor(), AwaitForEver(awaited.future(), &gone));
    group.Add(*task);
    other.poll();
  }
  group.Add(member.future());
  member.Fail(absl::OutOfRangeError("failed"));  // cancels the others
  auto joined = asio::co_spawn(loop, group.Join(), asio::use_future);
  loop.run();
  EXPECT_EQ(joined.get().code(), absl::StatusCode::kOutOfRange);
}

TEST(AsyncioLoop, WhatBelongsToAContextGoesWhereThatIsDestroyed) {
  auto context = std::make_unique<asio::io_context>();
  const std::shared_ptr<asyncio::Loop> loop = asyncio::Loop::Of(context->get_executor());
  using Owned = asyncio::LoopOwned<std::shared_ptr<void>>;
  std::unique_ptr<Owned> second;
  std::thread::id second_went;
  // While the context ends, another thread drops the handle of what has not gone yet.
  Owned first(loop, std::shared_ptr<void>(nullptr, [&](void*) {
                std::thread([&] { second.reset(); }).join();
                EXPECT_EQ(second_went, std::thread::id());
              }));
  second = std::make_unique<Owned>(loop, std::shared_ptr<void>(nullptr, [&](void*) {
                                     second_went = std::this_thread::get_id();
                                   }));
  context.reset();
  EXPECT_EQ(second_went, std::this_thread::get_id());
  first.With([](auto&) { ADD_FAILURE() << "used after its end"; });
}

TEST(AsyncioLoop, WhatBelongsToAContextGoesWithItsHandleOrIsTakenOnce) {
  asio::io_context context;
  const std::shared_ptr<asyncio::Loop> loop = asyncio::Loop::Of(context.get_executor());
  const auto value = std::make_shared<int>(1);
  {
    const asyncio::LoopOwned<std::shared_ptr<int>> dropped(loop, value);
    EXPECT_EQ(value.use_count(), 2);
  }
  EXPECT_EQ(value.use_count(), 1);
  asyncio::LoopOwned<std::shared_ptr<int>> taken(loop, value);
  int times = 0;
  for (int round = 0; round < 2; ++round) {
    taken.Take([&](const std::shared_ptr<int>& had) { times += *had; });
  }
  EXPECT_EQ(times, 1);
  EXPECT_EQ(value.use_count(), 1);
}

TEST(AsyncioLoop, EndsThatRaceWithTheContextsEndAreHarmless) {
  for (int round = 0; round < 200; ++round) {
    std::vector<ManualFuture<int>> futures(20);
    auto loop = std::make_unique<asio::io_context>();
    for (const ManualFuture<int>& future : futures) {
      asio::co_spawn(
          *loop,
          [](Future<int> awaited) -> asio::awaitable<void> {
            const absl::StatusOr<int> result = co_await asyncio::Await(awaited);
            EXPECT_EQ(*result, 1);
          }(future.future()),
          asio::detached);
    }
    loop->poll();
    std::thread session([&] {
      for (ManualFuture<int>& future : futures) future.Succeed("1");
    });
    loop->poll();
    loop.reset();
    session.join();
  }
}

// A body that needs another task's end after it was cancelled, and uses what its caller has.
asio::awaitable<absl::Status> UnwindSlowly(Future<int> never, Future<int> gate, bool* unwound) {
  const absl::StatusOr<int> result = co_await asyncio::Await(never);
  co_await asio::this_coro::throw_if_cancelled(false);
  const absl::StatusOr<int> open = co_await asyncio::Shield(gate);
  *unwound = true;
  co_return result.status();
}

// Runs what is ready, until `until` holds.
template <typename Until>
void RunUntil(asio::io_context& loop, Until until) {
  const auto patience = std::chrono::steady_clock::now() + 60s;
  while (!until()) {
    ASSERT_LT(std::chrono::steady_clock::now(), patience);
    loop.restart();
    loop.run_for(1ms);
  }
}

TEST(AsyncioLoop, ATimeoutReturnsWhenItsBodyHasUnwound) {
  for (const asyncio::Unwinding unwinding :
       {asyncio::Unwinding::kAwait, asyncio::Unwinding::kLeave}) {
    ManualFuture<int> never;
    ManualFuture<int> gate;
    bool unwound = false;
    std::optional<absl::Status> status;
    asio::io_context loop;
    asio::co_spawn(
        loop,
        asyncio::Timeout(1ms, UnwindSlowly(never.future(), gate.future(), &unwound), unwinding),
        [&](std::exception_ptr, absl::Status ended) { status = ended; });
    RunUntil(loop, [&] { return never.cancelled(); });
    loop.restart();
    loop.poll();
    if (unwinding == asyncio::Unwinding::kAwait) {
      EXPECT_FALSE(status.has_value());
    } else {
      RunUntil(loop, [&] { return status.has_value(); });
      EXPECT_FALSE(unwound);
    }
    gate.Succeed("1");
    RunUntil(loop, [&] { return status.has_value() && unwound; });
    EXPECT_EQ(status->code(), absl::StatusCode::kDeadlineExceeded);
  }
}

asio::awaitable<absl::Status> Finish(Future<int> never) {
  const absl::StatusOr<int> result = co_await asyncio::Await(never);
  co_return absl::OutOfRangeError("of its own");
}

TEST(AsyncioLoop, ABodyThatMakesSomethingOfItsCancellationIsHeard) {
  ManualFuture<int> never;
  std::optional<absl::Status> status;
  asio::io_context loop;
  asio::co_spawn(loop, asyncio::Timeout(1ms, Finish(never.future())),
                 [&](std::exception_ptr, absl::Status ended) { status = ended; });
  RunUntil(loop, [&] { return status.has_value(); });
  EXPECT_EQ(status->code(), absl::StatusCode::kOutOfRange);
}

asio::awaitable<absl::Status> AwaitOne(Task<void> task, bool* seen, const bool* unwound) {
  const absl::Status status = co_await asyncio::Await(task);
  *seen = *unwound;
  co_return status;
}

asio::awaitable<absl::Status> GatherBoth(std::vector<Task<void>> tasks, bool* seen,
                                         const bool* unwound) {
  const std::vector<absl::Status> ends = co_await asyncio::GatherAll(tasks);
  *seen = *unwound;
  co_return ends.front();
}

asio::awaitable<absl::Status> GatherTwo(Task<void> task, Future<int> other, bool* seen,
                                        const bool* unwound) {
  const std::tuple<absl::Status, absl::StatusOr<int>> ends = co_await asyncio::Gather(task, other);
  *seen = *unwound;
  co_return std::get<0>(ends);
}

asio::awaitable<absl::Status> JoinGroup(Task<void> task, Future<int> other, bool* seen,
                                        const bool* unwound) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.Add(task);
  group.Add(other);
  const absl::Status status = co_await group.Join();
  *seen = *unwound;
  co_return status;
}

TEST(AsyncioLoop, WhoIsCancelledWaitsForTheTasksThatItCancels) {
  for (int kind = 0; kind < 4; ++kind) {
    ManualFuture<int> never;
    ManualFuture<int> gate;
    ManualFuture<int> other;  // runs elsewhere: nobody waits for it
    bool unwound = false;
    bool seen = false;
    asio::io_context loop;
    const Task<void> inner = asyncio::CreateTask(
        loop.get_executor(), UnwindSlowly(never.future(), gate.future(), &unwound));
    std::optional<Task<void>> outer;
    switch (kind) {
      case 0:
        outer = asyncio::CreateTask(loop.get_executor(), AwaitOne(inner, &seen, &unwound));
        break;
      case 1:
        outer = asyncio::CreateTask(loop.get_executor(), GatherBoth({inner}, &seen, &unwound));
        break;
      case 2:
        outer = asyncio::CreateTask(loop.get_executor(),
                                    GatherTwo(inner, other.future(), &seen, &unwound));
        break;
      default:
        outer = asyncio::CreateTask(loop.get_executor(),
                                    JoinGroup(inner, other.future(), &seen, &unwound));
    }
    loop.poll();
    EXPECT_TRUE(outer->Cancel());
    RunUntil(loop, [&] { return never.cancelled(); });
    loop.restart();
    loop.poll();
    EXPECT_FALSE(outer->Done()) << kind;
    EXPECT_EQ(other.cancelled(), kind >= 2);
    gate.Succeed("1");
    RunUntil(loop, [&] { return outer->Done(); });
    EXPECT_TRUE(seen) << kind;
    EXPECT_EQ(outer->Result().code(), absl::StatusCode::kCancelled) << kind;
  }
}

asio::awaitable<std::shared_ptr<int>> Return(std::shared_ptr<int> value) { co_return value; }

TEST(AsyncioLoop, AGroupForgetsMembersThatHaveEnded) {
  asio::io_context loop;
  TaskGroup group(loop.get_executor());
  const auto value = std::make_shared<int>(1);
  ManualFuture<int> goes_on;
  group.Add(goes_on.future());
  for (int i = 0; i < 100; ++i) {
    group.CreateTask(Return(value));
    loop.restart();
    loop.run();
  }
  EXPECT_EQ(value.use_count(), 1);
}

}  // namespace
}  // namespace treadle
