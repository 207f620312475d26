#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <asio.hpp>

#include "treadle/asyncio/queue.h"
#include "treadle/asyncio/submit.h"
#include "treadle/asyncio/task.h"
#include "treadle/asyncio/task_group.h"
#include "treadle/asyncio/until.h"
#include "treadle/future.h"
#include "treadle/timeout.h"
#include "treadle/wait.h"

// Python's asyncio for Treadle's futures, on Asio (Debian: libasio-dev): coroutines are
// asio::awaitable, run by whatever runs your executor. No thread is taken by what is awaited, so
// one thread awaits thousands of tasks.
//
//   asio::awaitable<void> Main(treadle::Executor executor) {
//     const treadle::Future<int64_t> future = executor.Submit(kSumSquares, 42);  // or
//     asyncio::Submit absl::StatusOr<int64_t> sum = co_await treadle::asyncio::Await(future);
//     ...
//   }
//   asio::io_context loop;
//   asio::co_spawn(loop, Main(executor), asio::detached);
//   loop.run();
//
// What is awaited is a Future or a Task (a coroutine started with CreateTask), alike. Errors are
// statuses, never exceptions. A coroutine that is cancelled (Task::Cancel, a TaskGroup, Timeout, or
// Asio's own cancellation) cancels what it awaits here, remote tasks included, unless they are
// Shielded; the await ends with CANCELLED, and the next thing that the coroutine awaits throws
// asio::error::operation_aborted, as Asio has it. An await that cancels Tasks returns when they
// have unwound, as in Python, so that they may refer to what their caller has; remote tasks end
// later. When the io_context is destroyed, so are the coroutines that still await something.
//
// Everything resumes on the awaiting coroutine's own executor. With an io_context that several
// threads run, use a strand for coroutines that share data. Never block in a coroutine: Result,
// Wait and AsCompleted of treadle itself do, and Executor::Submit while the window is full.
//
// Clang needs -DASIO_HAS_CO_AWAIT=1 with Debian 12's Asio, which Treadle's CMake targets give it.
//
// g++ 12 destroys some temporaries of a co_await expression twice: lambdas with captures, and
// aggregates, made inside it. Name what you await first, as above, and pass arguments by value to
// coroutines that are functions, not lambdas.

namespace treadle::asyncio {

// Opens when all are done, or, with `first_failure`, when one has failed.
template <Waitable W>
Latch AllDoneLatch(const std::vector<W>& waitables, bool first_failure) {
  const Latch latch;
  if (waitables.empty()) latch.Open();
  const auto left = std::make_shared<std::atomic<size_t>>(waitables.size());
  for (const W& waitable : waitables) {
    waitable.AddDoneCallback([latch, left, first_failure](const W& done) {
      if (first_failure && !EndOf(done).ok()) latch.Open();
      if (left->fetch_sub(1) == 1) latch.Open();
    });
  }
  return latch;
}

inline Latch OpenLatch() {
  const Latch latch;
  latch.Open();
  return latch;
}

template <Waitable W>
Cancellation CancellationOf(std::vector<W> waitables) {
  return [waitables = std::move(waitables)] {
    for (const W& waitable : waitables) waitable.Cancel();
    return kIsCoroutine<W> ? AllDoneLatch(waitables, /*first_failure=*/false) : OpenLatch();
  };
}

// The result, when it is there.
template <Waitable W>
asio::awaitable<ResultOf<WaitableValue<W>>> Await(W waitable) {
  asio::awaitable<AwaitEnd> awaited =
      UntilOrCancel(DoneLatch(waitable), std::chrono::steady_clock::time_point::max(),
                    CancellationOf(std::vector<W>{waitable}));
  const AwaitEnd end = co_await std::move(awaited);
  if (end == AwaitEnd::kOpen) co_return waitable.Result();
  co_return CancelledWhileAwaiting();
}

// As Await; but when the awaiting coroutine is cancelled, what it awaits goes on.
template <Waitable W>
asio::awaitable<ResultOf<WaitableValue<W>>> Shield(W waitable) {
  const Latch done = DoneLatch(waitable);
  asio::awaitable<void> open = Until(done);
  co_await std::move(open);
  if (done.Done()) co_return waitable.Result();
  co_return CancelledWhileAwaiting();
}

// What an await does with a coroutine that it has cancelled.
enum class Unwinding {
  kAwait,  // waits until it has ended, as Python does
  kLeave,  // returns at once: the coroutine refers to nothing that its caller has
};

// As Await, for so long at most: then it is cancelled, and DEADLINE_EXCEEDED is returned, or what
// the coroutine made of its cancellation. A Future's cancellation takes effect later; Python waits
// for that, too.
template <Waitable W>
asio::awaitable<ResultOf<WaitableValue<W>>> WaitFor(W waitable, treadle::Timeout timeout,
                                                    Unwinding unwinding = Unwinding::kAwait) {
  Cancellation cancel = CancellationOf(std::vector<W>{waitable});
  if (unwinding == Unwinding::kLeave) {
    cancel = [waitable] {
      waitable.Cancel();
      return OpenLatch();
    };
  }
  asio::awaitable<AwaitEnd> awaited =
      UntilOrCancel(DoneLatch(waitable), DeadlineAfter(timeout), std::move(cancel));
  const AwaitEnd end = co_await std::move(awaited);
  if (end == AwaitEnd::kOpen) co_return waitable.Result();
  if (end == AwaitEnd::kCancelled) co_return CancelledWhileAwaiting();
  if (waitable.Done() && !absl::IsCancelled(EndOf(waitable))) co_return waitable.Result();
  co_return absl::DeadlineExceededError("not done within the timeout: cancelled");
}

// Runs a coroutine for so long at most: Python's `async with timeout(...)` around its body.
template <typename R>
asio::awaitable<ResultOf<ValueOf<R>>> Timeout(treadle::Timeout timeout,
                                              asio::awaitable<R> coroutine,
                                              Unwinding unwinding = Unwinding::kAwait) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Task<ValueOf<R>> task = CreateTask(executor, std::move(coroutine));
  asio::awaitable<ResultOf<ValueOf<R>>> ended = WaitFor(std::move(task), timeout, unwinding);
  co_return co_await std::move(ended);
}

inline asio::awaitable<void> Sleep(treadle::Timeout duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, DeadlineAfter(duration));
  co_await timer.async_wait(asio::use_awaitable);
}

// How each of them ended, in the order given: Python's gather(..., return_exceptions=True). When
// the awaiting coroutine is cancelled, so are all of them.
template <Waitable W>
asio::awaitable<std::vector<ResultOf<WaitableValue<W>>>> GatherAll(std::vector<W> waitables) {
  asio::awaitable<AwaitEnd> awaited =
      UntilOrCancel(AllDoneLatch(waitables, /*first_failure=*/false),
                    std::chrono::steady_clock::time_point::max(), CancellationOf(waitables));
  co_await std::move(awaited);
  std::vector<ResultOf<WaitableValue<W>>> results;
  for (const W& waitable : waitables) {
    if (waitable.Done()) {
      results.push_back(waitable.Result());
    } else {
      results.push_back(CancelledWhileAwaiting());
    }
  }
  co_return results;
}

// Their values in the order given, or the first failure as soon as it happens; the others go on
// then. When the awaiting coroutine is cancelled, so are all of them.
template <Waitable W>
requires(!std::is_void_v<WaitableValue<W>>)
    asio::awaitable<absl::StatusOr<std::vector<WaitableValue<W>>>> Gather(
        std::vector<W> waitables) {
  asio::awaitable<AwaitEnd> awaited =
      UntilOrCancel(AllDoneLatch(waitables, /*first_failure=*/true),
                    std::chrono::steady_clock::time_point::max(), CancellationOf(waitables));
  const AwaitEnd end = co_await std::move(awaited);
  if (end != AwaitEnd::kOpen) co_return CancelledWhileAwaiting();
  for (const W& waitable : waitables) {
    if (!waitable.Done()) continue;
    absl::Status status = EndOf(waitable);
    if (!status.ok()) co_return status;
  }
  std::vector<WaitableValue<W>> values;
  for (const W& waitable : waitables) {
    ResultOf<WaitableValue<W>> result = waitable.Result();
    if (!result.ok()) co_return result.status();
    values.push_back(*std::move(result));
  }
  co_return values;
}

// Opens when all are done, or all that are coroutines.
template <bool kCoroutinesOnly, Waitable... W>
Latch AllDoneLatch(const W&... waitables) {
  constexpr size_t kCount = (size_t{!kCoroutinesOnly || kIsCoroutine<W>} + ... + 0);
  const Latch latch;
  if (kCount == 0) latch.Open();
  const auto left = std::make_shared<std::atomic<size_t>>(kCount);
  const auto watch = [&](const auto& waitable) {
    if constexpr (!kCoroutinesOnly || kIsCoroutine<std::decay_t<decltype(waitable)>>) {
      waitable.AddDoneCallback([latch, left](const auto&) {
        if (left->fetch_sub(1) == 1) latch.Open();
      });
    }
  };
  (watch(waitables), ...);
  return latch;
}

// Of different types: how each ended.
template <Waitable... W>
asio::awaitable<std::tuple<ResultOf<WaitableValue<W>>...>> Gather(W... waitables) {
  Cancellation cancel = [waitables...] {
    (waitables.Cancel(), ...);
    return AllDoneLatch</*kCoroutinesOnly=*/true>(waitables...);
  };
  asio::awaitable<AwaitEnd> awaited =
      UntilOrCancel(AllDoneLatch</*kCoroutinesOnly=*/false>(waitables...),
                    std::chrono::steady_clock::time_point::max(), std::move(cancel));
  co_await std::move(awaited);
  const auto result =
      [](const auto& waitable) -> ResultOf<WaitableValue<std::decay_t<decltype(waitable)>>> {
    if (waitable.Done()) return waitable.Result();
    return CancelledWhileAwaiting();
  };
  co_return std::tuple<ResultOf<WaitableValue<W>>...>(result(waitables)...);
}

template <Waitable W>
struct DoneAndPending {
  DoneAndPending() = default;

  std::vector<W> done;     // in the order given
  std::vector<W> pending;  // in the order given
};

// Until `return_when` holds or the time has passed. Cancels nothing.
template <Waitable W>
asio::awaitable<DoneAndPending<W>> Wait(std::vector<W> waitables,
                                        treadle::Timeout timeout = kForever,
                                        ReturnWhen return_when = ReturnWhen::kAllCompleted) {
  Latch enough;
  if (return_when == ReturnWhen::kFirstCompleted) {
    if (waitables.empty()) enough.Open();
    for (const W& waitable : waitables) {
      waitable.AddDoneCallback([enough](const W&) { enough.Open(); });
    }
  } else {
    enough = AllDoneLatch(waitables, return_when == ReturnWhen::kFirstException);
  }
  asio::awaitable<bool> open = Until(enough, DeadlineAfter(timeout));
  co_await std::move(open);
  DoneAndPending<W> result;
  for (W& waitable : waitables) {
    (waitable.Done() ? result.done : result.pending).push_back(std::move(waitable));
  }
  co_return result;
}

// Gives each when it is done, in the order of their ends:
//
//   auto completed = AsCompleted(futures);
//   while (auto done = co_await completed.Next()) Use(done->Result());
//
// One coroutine at a time.
template <Waitable W>
class Completed {
 public:
  Completed(std::vector<W> waitables, treadle::Timeout timeout)
      : state_(std::make_shared<State>(std::move(waitables))), deadline_(DeadlineAfter(timeout)) {
    for (size_t i = 0; i < state_->waitables.size(); ++i) {
      state_->waitables[i].AddDoneCallback([state = state_, i](const W&) { state->Arrive(i); });
    }
  }

  // None: all were given, the time has passed (then timed_out()), or the coroutine was cancelled.
  asio::awaitable<std::optional<W>> Next() {
    if (given_ == state_->waitables.size()) co_return std::nullopt;
    const Latch arrival = state_->NextArrival();
    asio::awaitable<bool> open = Until(arrival, deadline_);
    timed_out_ = co_await std::move(open);
    if (!arrival.Done()) co_return std::nullopt;
    ++given_;
    co_return state_->Take();
  }

  bool timed_out() const { return timed_out_; }

 private:
  struct State {
    explicit State(std::vector<W> waitables_in) : waitables(std::move(waitables_in)) {}

    void Arrive(size_t index) {
      Latch latch;
      {
        std::lock_guard lock(mutex);
        arrived.push_back(index);
        latch = arrival;
      }
      latch.Open();
    }
    Latch NextArrival() {
      std::lock_guard lock(mutex);
      arrival = Latch();
      if (!arrived.empty()) arrival.Open();
      return arrival;
    }
    W Take() {
      std::lock_guard lock(mutex);
      const size_t index = arrived.front();
      arrived.pop_front();
      return waitables[index];
    }

    const std::vector<W> waitables;
    std::mutex mutex;
    // Protected by mutex.
    std::deque<size_t> arrived;
    Latch arrival;
  };

  std::shared_ptr<State> state_;
  const std::chrono::steady_clock::time_point deadline_;
  size_t given_ = 0;
  bool timed_out_ = false;
};

template <Waitable W>
Completed<W> AsCompleted(std::vector<W> waitables, treadle::Timeout timeout = kForever) {
  return Completed<W>(std::move(waitables), timeout);
}

}  // namespace treadle::asyncio
