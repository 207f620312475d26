#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <asio.hpp>

#include "treadle/asyncio/latch.h"
#include "treadle/asyncio/loop.h"
#include "treadle/codec.h"
#include "treadle/future.h"

namespace treadle::asyncio {

// What a coroutine's return type carries: T of T and absl::StatusOr<T>, void of void and
// absl::Status.
template <typename R>
struct ValueOfReturn {
  using Type = R;
};
template <typename T>
struct ValueOfReturn<absl::StatusOr<T>> {
  using Type = T;
};
template <>
struct ValueOfReturn<absl::Status> {
  using Type = void;
};
template <typename R>
using ValueOf = typename ValueOfReturn<R>::Type;

// CANCELLED for asio's operation_aborted, UNKNOWN for others. REQUIRES: called where the exception
// is being handled.
inline absl::Status StatusOfCurrentException() {
  try {
    throw;
  } catch (const std::system_error& error) {
    if (error.code() == asio::error::operation_aborted) {
      return absl::CancelledError("the coroutine was cancelled");
    }
    return absl::UnknownError(error.what());
  } catch (const std::exception& error) {
    return absl::UnknownError(error.what());
  } catch (...) {
    return absl::UnknownError("an exception that is no std::exception");
  }
}

// A coroutine that runs by itself, as asyncio.Task: what CreateTask gives. It has what a Future has
// and can be awaited, gathered and waited for beside Futures. A handle; thread-safe. Dropping it
// lets the coroutine go on. A coroutine whose io_context is destroyed ends as CANCELLED.
template <typename T>
class Task {
 public:
  bool Done() const { return state_->done.Done(); }

  // How it ended: what it returned; CANCELLED; UNKNOWN with an exception's words.
  // FAILED_PRECONDITION: it is not done.
  ResultOf<T> Result() const {
    if (!Done()) return absl::FailedPreconditionError("the task is not done: await it");
    std::lock_guard lock(state_->mutex);
    return *state_->result;
  }

  // Cancels what the coroutine awaits, which then throws or returns; false: done already.
  bool Cancel() const {
    if (Done()) return false;
    state_->executor.With([this](const asio::any_io_executor& executor) {
      asio::post(executor,
                 [state = state_] { state->signal.emit(asio::cancellation_type::terminal); });
    });
    return true;
  }

  // On the coroutine's executor, or at once when it is done.
  void AddDoneCallback(absl::AnyInvocable<void(const Task&)> callback) const {
    state_->done.WhenOpen(
        [self = *this, callback = std::move(callback)]() mutable { callback(self); });
  }

 private:
  template <typename R>
  friend Task<ValueOf<R>> CreateTask(asio::any_io_executor executor, asio::awaitable<R> coroutine);

  struct State {
    explicit State(const asio::any_io_executor& executor_in)
        : executor(Loop::Of(executor_in), executor_in) {}

    void End(ResultOf<T> how) {
      {
        std::lock_guard lock(mutex);
        result.emplace(std::move(how));
      }
      done.Open();
    }

    LoopOwned<asio::any_io_executor> executor;
    asio::cancellation_signal signal;  // used on the executor alone
    Latch done;
    std::mutex mutex;
    std::optional<ResultOf<T>> result;  // protected by mutex
  };

  // The running coroutine's: ends the task when the coroutine is destroyed without having come to
  // its end.
  class Ending {
   public:
    explicit Ending(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Ending(Ending&& other) noexcept = default;
    ~Ending() {
      if (state_ != nullptr) state_->End(absl::CancelledError("the coroutine was cancelled"));
    }
    void With(ResultOf<T> how) { std::exchange(state_, nullptr)->End(std::move(how)); }

   private:
    std::shared_ptr<State> state_;
  };

  explicit Task(std::shared_ptr<State> state) : state_(std::move(state)) {}

  template <typename R>
  static asio::awaitable<void> Run(asio::awaitable<R> coroutine, Ending ending) {
    std::optional<ResultOf<T>> result;
    try {
      if constexpr (std::is_void_v<R>) {
        co_await std::move(coroutine);
        result.emplace(absl::OkStatus());
      } else {
        result.emplace(co_await std::move(coroutine));
      }
    } catch (...) {
      result.emplace(StatusOfCurrentException());
    }
    ending.With(*std::move(result));
  }

  std::shared_ptr<State> state_;
};

// Starts a coroutine on `executor`. With an io_context that several threads run, give it a strand.
template <typename R>
Task<ValueOf<R>> CreateTask(asio::any_io_executor executor, asio::awaitable<R> coroutine) {
  using T = ValueOf<R>;
  auto state = std::make_shared<typename Task<T>::State>(executor);
  typename Task<T>::Ending ending(state);
  asio::co_spawn(
      executor, Task<T>::Run(std::move(coroutine), std::move(ending)),
      asio::bind_cancellation_slot(state->signal.slot(), [state](std::exception_ptr) {}));
  return Task<T>(std::move(state));
}

// What can be awaited: Future<T> and Task<T>.
template <typename W>
struct ValueOfWaitable;
template <typename T>
struct ValueOfWaitable<Future<T>> {
  using Type = T;
};
template <typename T>
struct ValueOfWaitable<Task<T>> {
  using Type = T;
};
template <typename W>
using WaitableValue = typename ValueOfWaitable<W>::Type;
template <typename W>
concept Waitable = requires {
  typename ValueOfWaitable<W>::Type;
};

// Whether it is a coroutine here, which may refer to what its caller has. A Future's task runs
// elsewhere.
template <typename W>
inline constexpr bool kIsCoroutine = false;
template <typename T>
inline constexpr bool kIsCoroutine<Task<T>> = true;

// How it ended, without its value. REQUIRES: done.
inline absl::Status EndOf(const FutureBase& future) { return future.Wait(); }
template <typename T>
absl::Status EndOf(const Task<T>& task) {
  if constexpr (std::is_void_v<T>) {
    return task.Result();
  } else {
    return task.Result().status();
  }
}

// Opens when it is done.
template <Waitable W>
Latch DoneLatch(const W& waitable) {
  const Latch latch;
  waitable.AddDoneCallback([latch](const W&) { latch.Open(); });
  return latch;
}

}  // namespace treadle::asyncio
