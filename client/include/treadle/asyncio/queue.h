#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <asio.hpp>

#include "treadle/asyncio/latch.h"
#include "treadle/asyncio/until.h"
#include "treadle/client.h"
#include "treadle/codec.h"
#include "treadle/internal/item_queue.h"
#include "treadle/internal/start_thread.h"
#include "treadle/queue.h"
#include "treadle/timeout.h"

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
    absl::StatusOr<std::unique_ptr<internal::ItemQueue>> items =
        internal::ItemQueue::Open(client, name, internal::Discipline::kFifo, std::move(options));
    if (!items.ok()) return items.status();
    try {
      return Queue(*std::move(items));
    } catch (const std::system_error& error) {
      return internal::ThreadRefused("the queue", error);
    }
  }

  // Waits for room, behind those who waited before. When the coroutine is cancelled meanwhile the
  // item is not put, or taken back, unless a consumer is faster.
  asio::awaitable<absl::Status> Put(T item) { return PutWaiting(std::move(item), kForever); }
  asio::awaitable<absl::Status> PutNowait(T item) { return PutWaiting(std::move(item), kNoWait); }

  // When the coroutine is cancelled meanwhile, what may still come is handed back.
  asio::awaitable<absl::StatusOr<T>> Get() {
    const std::shared_ptr<State> state = state_;
    while (true) {
      const Question question(*state->items);
      asio::awaitable<void> open = Until(question.answered());
      co_await std::move(open);
      const std::optional<Answer> answered = question.TakeAnswer();
      if (!answered.has_value()) co_return absl::CancelledError("the coroutine was cancelled");
      const Answer& answer = *answered;
      if (answer.ok() && answer->has_value()) {
        const Payload& payload = (*answer)->payload;
        co_return Codec<T>::Decode(payload.bytes, payload.content_type);
      }
      if (!answer.ok() && !absl::IsUnavailable(answer.status())) co_return answer.status();
      asio::awaitable<absl::Status> check = Ask(&internal::ItemQueue::CheckOpen);
      const absl::Status status = co_await std::move(check);
      if (!status.ok()) co_return status;
      if (!answer.ok()) {
        asio::steady_timer pause(co_await asio::this_coro::executor, kPause);
        co_await pause.async_wait(asio::use_awaitable);
      }
    }
  }

  asio::awaitable<absl::Status> TaskDone() { return Ask(&internal::ItemQueue::TaskDone); }
  asio::awaitable<absl::StatusOr<int64_t>> Size() { return Ask(&internal::ItemQueue::Size); }
  asio::awaitable<absl::Status> Join() {
    while (true) {
      asio::awaitable<absl::Status> look = Ask(&internal::ItemQueue::JoinNow);
      const absl::Status status = co_await std::move(look);
      // The broker may be away for a while.
      if (!absl::IsDeadlineExceeded(status) && !absl::IsUnavailable(status)) co_return status;
      asio::steady_timer pause(co_await asio::this_coro::executor, kPause);
      co_await pause.async_wait(asio::use_awaitable);
    }
  }

 private:
  static constexpr std::chrono::milliseconds kPause{100};

  struct State {
    explicit State(std::unique_ptr<internal::ItemQueue> items_in) : items(std::move(items_in)) {}
    ~State() { thread.join(); }

    std::unique_ptr<internal::ItemQueue> items;
    asio::thread_pool thread{1};
  };

  using Answer = absl::StatusOr<std::optional<internal::ItemQueue::Item>>;

  // One StartGet, from a coroutine that may go before its answer comes: then nobody wants it.
  class Question {
   public:
    // `items` outlives it.
    explicit Question(internal::ItemQueue& items)
        : items_(items), shared_(std::make_shared<Shared>()) {
      // Holds nothing that would have to wait when it is destroyed there.
      items.StartGet([shared = shared_](Answer answer) { return shared->Take(std::move(answer)); });
    }
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;
    ~Question() {
      const std::optional<Answer> unused = TakeAnswer();
      if (unused.has_value() && unused->ok() && (*unused)->has_value()) {
        items_.GiveBack((**unused)->token);
      }
    }

    const Latch& answered() const { return shared_->answered; }
    // None: there is none, and will be none.
    std::optional<Answer> TakeAnswer() const {
      std::lock_guard lock(shared_->mutex);
      shared_->abandoned = true;
      return std::exchange(shared_->answer, std::nullopt);
    }

   private:
    struct Shared {
      // False: unwanted.
      bool Take(Answer given) {
        {
          std::lock_guard lock(mutex);
          if (abandoned) return false;
          answer = std::move(given);
        }
        answered.Open();
        return true;
      }

      const Latch answered;
      std::mutex mutex;
      // Protected by mutex.
      std::optional<Answer> answer;
      bool abandoned = false;
    };

    internal::ItemQueue& items_;
    const std::shared_ptr<Shared> shared_;
  };

  explicit Queue(std::unique_ptr<internal::ItemQueue> items)
      : state_(std::make_shared<State>(std::move(items))) {}

  // Calls a short method of the queue on its thread.
  template <typename R>
  asio::awaitable<R> Ask(R (internal::ItemQueue::*method)()) {
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
    // False: it is done, just now.
    if (!done.Done() && put.Cancel()) {
      co_return absl::CancelledError(
          "the coroutine was cancelled: the item is taken back, unless a consumer is faster");
    }
    co_return state->items->PutStatus(put.Wait());
  }

  std::shared_ptr<State> state_;
};

}  // namespace treadle::asyncio
