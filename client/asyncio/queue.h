#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/asyncio/latch.h"
#include "client/asyncio/until.h"
#include "client/client.h"
#include "client/codec.h"
#include "client/item_queue.h"
#include "client/queue.h"
#include "client/wait.h"
#include <asio.hpp>

namespace treadle::asyncio {

// treadle::Queue for coroutines: the same queue, the same meaning, awaited. What waits takes no
// thread; short questions to the broker share one thread of the queue object's own. TaskDone is
// about the oldest item that was got through this object. A handle; thread-safe. It outlives what
// awaits it, and the client outlives it.
template <typename T>
class Queue {
 public:
  // Blocks: open it before the loop runs.
  static absl::StatusOr<Queue> Open(Client& client, std::string_view name,
                                    QueueOptions options = QueueOptions()) {
    if (options.done_at_get) {
      return absl::InvalidArgumentError("done_at_get is not for coroutines: call TaskDone");
    }
    absl::StatusOr<std::unique_ptr<ItemQueue>> items =
        ItemQueue::Open(client, name, v1::DISCIPLINE_FIFO, std::move(options));
    if (!items.ok()) return items.status();
    return Queue(*std::move(items));
  }

  // Waits for room, behind those who waited before. When the coroutine is cancelled meanwhile the
  // item is not put, or taken back.
  asio::awaitable<absl::Status> Put(T item) { return PutWaiting(std::move(item), kForever); }
  asio::awaitable<absl::Status> PutNowait(T item) {
    return PutWaiting(std::move(item), treadle::Timeout::zero());
  }

  // When the coroutine is cancelled meanwhile, what may still come is handed back.
  asio::awaitable<absl::StatusOr<T>> Get() {
    const std::shared_ptr<State> state = state_;
    while (true) {
      const auto question = std::make_shared<Question>();
      state->items->StartGet([state, question](auto answer) { question->Answer(*state, answer); });
      asio::awaitable<void> open = Until(question->answered);
      co_await std::move(open);
      if (!question->TakeAnswer()) co_return absl::CancelledError("the coroutine was cancelled");
      const absl::StatusOr<std::optional<ItemQueue::Item>>& answer = *question->answer;
      if (answer.ok() && answer->has_value()) {
        const Payload& payload = (*answer)->payload;
        co_return Codec<T>::Decode(payload.bytes, payload.content_type);
      }
      if (!answer.ok() && !absl::IsUnavailable(answer.status())) co_return answer.status();
      asio::awaitable<absl::Status> check = Ask(&ItemQueue::CheckOpen);
      const absl::Status status = co_await std::move(check);
      if (!status.ok()) co_return status;
      if (!answer.ok()) {
        asio::steady_timer pause(co_await asio::this_coro::executor, kPause);
        co_await pause.async_wait(asio::use_awaitable);
      }
    }
  }

  asio::awaitable<absl::Status> TaskDone() { return Ask(&ItemQueue::TaskDone); }
  asio::awaitable<absl::StatusOr<int64_t>> Size() { return Ask(&ItemQueue::Size); }
  asio::awaitable<absl::Status> Join() {
    while (true) {
      asio::awaitable<absl::Status> look = Ask(&ItemQueue::JoinNow);
      const absl::Status status = co_await std::move(look);
      if (!absl::IsDeadlineExceeded(status)) co_return status;
      asio::steady_timer pause(co_await asio::this_coro::executor, kPause);
      co_await pause.async_wait(asio::use_awaitable);
    }
  }

 private:
  static constexpr std::chrono::milliseconds kPause{100};

  struct State {
    explicit State(std::unique_ptr<ItemQueue> items_in) : items(std::move(items_in)) {}
    ~State() { thread.join(); }

    std::unique_ptr<ItemQueue> items;
    asio::thread_pool thread{1};
  };

  // One StartGet: its answer, or that nobody wants it any more.
  struct Question {
    void Answer(State& state, absl::StatusOr<std::optional<ItemQueue::Item>>& given) {
      bool unwanted = false;
      {
        std::lock_guard lock(mutex);
        unwanted = abandoned;
        answer = std::move(given);
      }
      if (unwanted && answer->ok() && (*answer)->has_value()) {
        asio::post(state.thread, [items = state.items.get(), token = (**answer)->token] {
          items->GiveBack(token).IgnoreError();
        });
      }
      answered.Open();
    }
    // False: there is none, and will be none.
    bool TakeAnswer() {
      std::lock_guard lock(mutex);
      abandoned = !answer.has_value();
      return !abandoned;
    }

    Latch answered;
    std::mutex mutex;
    std::optional<absl::StatusOr<std::optional<ItemQueue::Item>>> answer;
    bool abandoned = false;
  };

  explicit Queue(std::unique_ptr<ItemQueue> items)
      : state_(std::make_shared<State>(std::move(items))) {}

  // Calls a short method of the queue on its thread.
  template <typename R>
  asio::awaitable<R> Ask(R (ItemQueue::*method)()) {
    const std::shared_ptr<State> state = state_;
    const auto result = std::make_shared<std::optional<R>>();
    const Latch done;
    asio::post(state->thread, [items = state->items.get(), method, result, done] {
      result->emplace((items->*method)());
      done.Open();
    });
    asio::awaitable<void> open = Until(done);
    co_await std::move(open);
    if (!done.Done()) co_return absl::CancelledError("the coroutine was cancelled");
    co_return std::move(**result);
  }

  asio::awaitable<absl::Status> PutWaiting(T item, treadle::Timeout timeout) {
    const std::shared_ptr<State> state = state_;
    const Future<void> put(
        state->items->StartPut(Codec<T>::Encode(item), 0, true, timeout).state());
    const Latch done;
    put.AddDoneCallback([done](const Future<void>&) { done.Open(); });
    asio::awaitable<void> open = Until(done);
    co_await std::move(open);
    if (done.Done()) co_return state->items->PutStatus(put.Wait());
    put.Cancel();
    co_return absl::CancelledError("the coroutine was cancelled: the item is taken back");
  }

  std::shared_ptr<State> state_;
};

}  // namespace treadle::asyncio
