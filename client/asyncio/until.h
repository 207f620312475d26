#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "client/asyncio/latch.h"
#include "client/duration.h"
#include "client/wait.h"
#include <asio.hpp>

// How a coroutine waits for a latch that other threads open.

namespace treadle::asyncio {

// The coroutine's continuation, called once: when the latch opens, or when the coroutine is
// cancelled, whichever is first. Keeps the io_context at work meanwhile.
template <typename Handler>
class Resumption {
 public:
  explicit Resumption(Handler handler)
      : executor_(asio::get_associated_executor(handler)),
        work_(asio::make_work_guard(executor_)),
        slot_(asio::get_associated_cancellation_slot(handler)),
        handler_(std::move(handler)) {}

  asio::cancellation_slot slot() const { return slot_; }

  void Resume() {
    std::optional<Handler> handler;
    {
      std::lock_guard lock(mutex_);
      if (!handler_.has_value()) return;
      handler.emplace(std::move(*handler_));
      handler_.reset();
    }
    asio::post(executor_, [handler = std::move(*handler), slot = slot_]() mutable {
      slot.clear();
      std::move(handler)();
    });
    work_.reset();
  }

 private:
  using Executor = asio::associated_executor_t<Handler>;

  Executor executor_;
  asio::executor_work_guard<Executor> work_;
  asio::cancellation_slot slot_;
  std::mutex mutex_;
  std::optional<Handler> handler_;  // protected by mutex_
};

struct AwaitLatch {
  template <typename Handler>
  void operator()(Handler handler, Latch latch) const {
    auto resumption = std::make_shared<Resumption<Handler>>(std::move(handler));
    if (resumption->slot().is_connected()) {
      resumption->slot().assign([resumption](asio::cancellation_type) { resumption->Resume(); });
    }
    latch.WhenOpen([resumption] { resumption->Resume(); });
  }
};

// Until the latch is open, or the coroutine is cancelled: then it is not.
inline asio::awaitable<void> Until(Latch latch) {
  return asio::async_initiate<const asio::use_awaitable_t<>&, void()>(AwaitLatch(),
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

}  // namespace treadle::asyncio
