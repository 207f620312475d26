#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <asio.hpp>

#include "treadle/asyncio/latch.h"
#include "treadle/asyncio/task.h"
#include "treadle/asyncio/until.h"
#include "treadle/executor.h"
#include "treadle/internal/submission.h"
#include "treadle/submit_options.h"
#include "treadle/timeout.h"

namespace treadle::asyncio {

inline asio::awaitable<client::FutureStateRef> SendWhenRoom(
    std::shared_ptr<internal::Submission> submission) {
  const Latch room;
  submission->WhenRoom([room] { room.Open(); });
  asio::awaitable<bool> open = Until(room, DeadlineAfter(submission->patience()));
  const bool late = co_await std::move(open);
  if (room.Done()) co_return submission->Send();
  co_return late ? submission->NoRoom() : client::EndedState(CancelledWhileAwaiting());
}

// executor.Submit(kSumSquares, 42) for coroutines: while the client's window is full
// (ClientOptions::window_tasks) the coroutine waits for room, in line, and the loop's thread goes
// on with others. When the coroutine is cancelled meanwhile nothing is submitted, and the future
// ends with CANCELLED; after ClientOptions::window_wait with RESOURCE_EXHAUSTED. The client
// outlives the coroutine.
//
//   asio::awaitable<treadle::Future<int64_t>> submitted = Submit(executor, kSumSquares, 42);
//   const treadle::Future<int64_t> future = co_await std::move(submitted);
template <typename R, typename... Args>
asio::awaitable<Future<R>> Submit(Executor executor, TaskType<R(Args...)> type,
                                  std::type_identity_t<std::decay_t<Args>>... args) {
  auto submission = std::make_shared<internal::Submission>(executor, nullptr, type.name(),
                                                           EncodeArguments(args...));
  asio::awaitable<client::FutureStateRef> sent = SendWhenRoom(std::move(submission));
  co_return Future<R>(co_await std::move(sent));
}

// The same with options of its own, in place of the executor's.
template <typename R, typename... Args>
asio::awaitable<Future<R>> Submit(Executor executor, SubmitOptions options,
                                  TaskType<R(Args...)> type,
                                  std::type_identity_t<std::decay_t<Args>>... args) {
  auto submission = std::make_shared<internal::Submission>(executor, &options, type.name(),
                                                           EncodeArguments(args...));
  asio::awaitable<client::FutureStateRef> sent = SendWhenRoom(std::move(submission));
  co_return Future<R>(co_await std::move(sent));
}

}  // namespace treadle::asyncio
