#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include <asio.hpp>

#include "treadle/asyncio/latch.h"
#include "treadle/asyncio/loop.h"
#include "treadle/timeout.h"

// How a coroutine waits for a latch that other threads open.

namespace treadle::asyncio {

// The coroutine's continuation, called once: when the latch opens, or when the coroutine is
// cancelled, whichever is first. Keeps the io_context at work meanwhile. When the context is
// destroyed first, so is the coroutine.
template <typename Handler>
class Resumption {
 public:
  explicit Resumption(Handler handler)
      : slot_(asio::get_associated_cancellation_slot(handler)),
        target_{Loop::Of(asio::get_associated_executor(handler)), Target(std::move(handler))} {}

  asio::cancellation_slot slot() const { return slot_; }

  void Resume() {
    target_.Take([this](Target target) {
      asio::post(target.executor, [handler = std::move(target.handler), slot = slot_]() mutable {
        slot.clear();
        std::move(handler)();
      });
    });
  }

 private:
  using Executor = asio::associated_executor_t<Handler>;

  struct Target {
    explicit Target(Handler handler_in)
        : executor(asio::get_associated_executor(handler_in)),
          work(asio::make_work_guard(executor)),
          handler(std::move(handler_in)) {}

    Executor executor;
    asio::executor_work_guard<Executor> work;
    Handler handler;
  };

  const asio::cancellation_slot slot_;
  LoopOwned<Target> target_;
};

// Makes awaitables. With `heed_cancel` a cancelled coroutine goes on, too.
struct AwaitLatch {
  explicit AwaitLatch(bool heed_cancel_in) : heed_cancel(heed_cancel_in) {}

  template <typename Handler>
  void operator()(Handler handler, Latch latch) const {
    const auto resumption = std::make_shared<Resumption<Handler>>(std::move(handler));
    if (heed_cancel && resumption->slot().is_connected()) {
      resumption->slot().assign([resumption](asio::cancellation_type) { resumption->Resume(); });
    }
    latch.WhenOpen([resumption] { resumption->Resume(); });
  }

  bool heed_cancel;
};

// Until the latch is open, or the coroutine is cancelled: then it is not.
inline asio::awaitable<void> Until(Latch latch) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(AwaitLatch(true),
                                                                      asio::use_awaitable, latch);
}

// The same, for so long at most. True: the time passed first.
inline asio::awaitable<bool> Until(Latch latch, std::chrono::steady_clock::time_point deadline) {
  if (deadline == std::chrono::steady_clock::time_point::max()) {
    asio::awaitable<void> open = Until(latch);
    co_await std::move(open);
    co_return false;
  }
  const Latch either;
  latch.WhenOpen([either] { either.Open(); });
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  timer.async_wait([either](const asio::error_code&) { either.Open(); });
  asio::awaitable<void> open = Until(either);
  co_await std::move(open);
  co_return !latch.Done() && std::chrono::steady_clock::now() >= deadline;
}

inline absl::Status CancelledWhileAwaiting() {
  return absl::CancelledError("the coroutine was cancelled while it awaited this");
}

enum class AwaitEnd { kOpen, kTimedOut, kCancelled };

// Cancels what was awaited. The latch opens when what of it must not outlive the await has ended.
using Cancellation = absl::AnyInvocable<Latch()>;

// Until the latch is open. When the time has passed, or the coroutine is cancelled, what it waits
// for is cancelled instead, and waited for until the cancellation's own latch is open, whatever
// happens meanwhile.
inline asio::awaitable<AwaitEnd> UntilOrCancel(Latch latch,
                                               std::chrono::steady_clock::time_point deadline,
                                               Cancellation cancel) {
  asio::awaitable<bool> open = Until(latch, deadline);
  const bool timed_out = co_await std::move(open);
  if (latch.Done()) co_return AwaitEnd::kOpen;
  const Latch unwound = cancel();
  // A cancelled coroutine may await nothing, unless it says so.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  asio::awaitable<void> end = asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      AwaitLatch(false), asio::use_awaitable, unwound);
  co_await std::move(end);
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return timed_out ? AwaitEnd::kTimedOut : AwaitEnd::kCancelled;
}

}  // namespace treadle::asyncio
