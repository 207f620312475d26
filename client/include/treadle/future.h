#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/output.h"
#include "treadle/submit_options.h"
#include "treadle/task_error.h"
#include "treadle/timeout.h"

namespace treadle {

namespace client {

class FutureState;

// A counted reference to what a future knows.
class FutureStateRef {
 public:
  FutureStateRef() = default;
  // Takes over one count.
  explicit FutureStateRef(FutureState* state) : state_(state) {}
  FutureStateRef(const FutureStateRef& other) : state_(other.state_) {
    if (state_ != nullptr) Retain(state_);
  }
  FutureStateRef(FutureStateRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  FutureStateRef& operator=(FutureStateRef other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~FutureStateRef() {
    if (state_ != nullptr) Release(state_);
  }

  FutureState* get() const { return state_; }
  FutureState* operator->() const { return state_; }
  explicit operator bool() const { return state_ != nullptr; }

 private:
  static void Retain(FutureState* state);
  static void Release(FutureState* state);

  FutureState* state_ = nullptr;
};

// The state of a future that has ended with `status`, for code that refuses before it submits.
// REQUIRES: not OK.
FutureStateRef EndedState(absl::Status status);

}  // namespace client

// What the broker said when it accepted a task. For an attached future: `existing`, and kMemory
// because it is not known.
struct Acceptance {
  Acceptance() = default;

  std::string task_id;
  Durability durability = Durability::kMemory;  // the level that was reached
  bool existing = false;  // the request key named a task that was there already
  // Nobody who was there took tasks of its type from its queue: it waits (Client::ExplainTask).
  // Only told of a task that was new.
  bool no_worker = false;
};

// What all futures share, whatever their result's type. A handle: copies speak of the same task.
// Every method may be called from any thread. REQUIRES of all but valid(): valid().
class FutureBase {
 public:
  FutureBase() = default;
  explicit FutureBase(client::FutureStateRef state) : state_(std::move(state)) {}

  bool valid() const { return static_cast<bool>(state_); }

  // The task has ended, in whatever way, or its submit was refused. Does not wait.
  bool Done() const;

  // The task was cancelled, and so never succeeded. Does not wait.
  bool Cancelled() const;

  // A worker runs the task now. Asks the broker, and waits for its answer up to `timeout`:
  // UNAVAILABLE or DEADLINE_EXCEEDED when it does not come.
  absl::StatusOr<bool> Running(Timeout timeout = std::chrono::seconds(10)) const;

  // The task's id, for GetTask, or for Client::Attach in another process. Empty until the broker
  // has accepted the task.
  std::string Id() const;

  // Waits until the broker has answered the submit. The error is the refusal's; DEADLINE_EXCEEDED:
  // the timeout passed first.
  absl::StatusOr<Acceptance> Accepted(Timeout timeout = kForever) const;

  // What the task says while it runs, as it comes, and what it said before (output.h). Also of a
  // task that is not accepted yet, or has ended. The future of a Then follows the first one's task,
  // once it is done itself.
  TaskOutput Follow(const FollowOptions& options = FollowOptions()) const;

  // Asks the broker to cancel the task and returns at once. A task that is not running ends
  // CANCELLED; a running handler is told to stop, and may yet succeed; in Python a running call
  // goes on unhindered, and cancel() says no. False: it was done already. A submit that still waits
  // for its acceptance is cancelled when it is accepted.
  bool Cancel() const;

  // Waits for the end: OK when the task succeeded, otherwise why not, as Result says.
  absl::Status Wait(Timeout timeout = kForever) const;

  // Waits for the end and tells the task's own error, none when it succeeded. A status, as Result
  // gives it, when there is no such answer: the timeout passed, the task was cancelled, the submit
  // was refused.
  absl::StatusOr<std::optional<TaskError>> Exception(Timeout timeout = kForever) const;

  // How the task failed, was cancelled or expired. None: it is not done, it succeeded, or it never
  // became a task (Wait has the status). Does not wait.
  std::optional<TaskError> Error() const;

  const client::FutureStateRef& state() const { return state_; }

 protected:
  void AddCallback(absl::AnyInvocable<void()> callback) const;
  // REQUIRES of all three: Wait returned OK. Valid as long as a future of the task lives.
  const std::string& result_bytes() const;
  const std::string& result_content_type() const;
  // Gives the future up; the bytes, moved if no other future has them.
  Payload TakeResult();

 private:
  client::FutureStateRef state_;
};

// A future whatever its result's type, for waiting for futures of several types together (wait.h).
// Every Future converts to one.
class [[nodiscard]] AnyFuture : public FutureBase {
 public:
  AnyFuture() = default;
  AnyFuture(const FutureBase& future) : FutureBase(future) {}

  // As Future::AddDoneCallback.
  void AddDoneCallback(absl::AnyInvocable<void(const AnyFuture&)> callback) const {
    AddCallback([self = *this, callback = std::move(callback)]() mutable { callback(self); });
  }
};

template <typename T>
class Future;

// Lets coroutines `co_await future`; see Future::operator co_await.
template <typename T>
class FutureAwaiter {
 public:
  explicit FutureAwaiter(Future<T> future) : future_(std::move(future)) {}

  bool await_ready() const { return future_.Done(); }
  void await_suspend(std::coroutine_handle<> coroutine) const {
    // This may be gone as soon as the coroutine goes on.
    const Future<T> future = future_;
    future.AddDoneCallback([coroutine](const Future<T>&) { coroutine.resume(); });
  }
  ResultOf<T> await_resume() const { return future_.Result(); }

 private:
  Future<T> future_;
};

namespace internal {

// What is left to do of a Then: an end, or another future to wait for and what to do then.
struct ThenStep {
  ThenStep() = default;

  absl::StatusOr<Payload> result;
  std::optional<FutureBase> next;
  absl::AnyInvocable<ThenStep()> after;  // with `next`
};

// A future that ends with what `step` says when `future` is done.
client::FutureStateRef WhenDone(const FutureBase& future, absl::AnyInvocable<ThenStep()> step);

// What a function that returns R makes of a future: T of T, absl::StatusOr<T> and Future<T>; void
// of void and absl::Status.
template <typename R>
struct ThenValue {
  using Type = R;
};
template <typename T>
struct ThenValue<absl::StatusOr<T>> {
  using Type = T;
};
template <>
struct ThenValue<absl::Status> {
  using Type = void;
};
template <typename T>
struct ThenValue<Future<T>> {
  using Type = T;
};

template <typename T, typename F>
struct ThenReturn {
  using Type = std::invoke_result_t<F&, T>;
};
template <typename F>
struct ThenReturn<void, F> {
  using Type = std::invoke_result_t<F&>;
};

template <typename T>
ThenStep EndedStep(ResultOf<T> result) {
  ThenStep step;
  if constexpr (std::is_void_v<T>) {
    step.result = result.ok() ? absl::StatusOr<Payload>(Payload()) : result;
  } else {
    step.result = result.ok() ? Codec<T>::Encode(*result) : result.status();
  }
  return step;
}

}  // namespace internal

// The result of a task that was submitted (Executor::Submit) or looked up (Client::Attach).
//
// Dropping it does not cancel the task. A task that nobody holds a future of is let go once it is
// accepted: it runs, and this client neither keeps anything of it nor asks for its outcome again.
template <typename T>
class [[nodiscard]] Future : public FutureBase {
 public:
  using FutureBase::FutureBase;

  // Waits for the end and decodes the result; absl::Status for Future<void>. Otherwise:
  //   - the task's own error: GetTaskError(status) gives it whole; codes as at ToStatus
  //   - DEADLINE_EXCEEDED without a TaskError: the timeout passed; call again to go on waiting
  //   - INVALID_ARGUMENT: the submit or the result's encoding is wrong, as the message says
  //   - RESOURCE_EXHAUSTED: the queue, or this client's window, is full
  //   - NOT_FOUND: no such task, or its outcome is not kept any more; also when the broker has lost
  //     its store, and the task with it
  //   - UNAVAILABLE: never sent, so safe to submit again: the client gave up reaching the broker
  //     (ClientOptions::give_up_after), or was shut down
  //   - ABORTED without a TaskError: sent, so do not simply submit again. The client gave up, was
  //     shut down, or the broker forgot its session, before it heard how the task ended. Accepted
  //     tells what is known: OK, with the id to Attach to, or ABORTED too: nobody knows whether it
  //     was accepted. A request_key makes it safe to submit again
  ResultOf<T> Result(Timeout timeout = kForever) const& {
    absl::Status status = Wait(timeout);
    if (!status.ok()) return status;
    if constexpr (std::is_same_v<T, Acceptance>) {
      return Accepted(kNoWait);
    } else {
      return DecodeResult<T>(result_bytes(), result_content_type());
    }
  }
  // std::move(future).Result(): the same, and large results are moved out rather than copied when
  // this is the last future of the task. Afterwards it is not valid(), unless the timeout passed.
  ResultOf<T> Result(Timeout timeout = kForever) && {
    if constexpr (std::is_same_v<T, Payload> || std::is_same_v<T, Bytes>) {
      absl::Status status = Wait(timeout);
      if (status.ok()) {
        Payload result = TakeResult();
        if constexpr (std::is_same_v<T, Bytes>) {
          return Bytes(std::move(result.bytes));
        } else {
          return result;
        }
      }
    }
    ResultOf<T> result = std::as_const(*this).Result(timeout);
    if (Done()) *this = Future();
    return result;
  }

  // A future of what `function` makes of the result, which it is called with when that is there (a
  // Future<void>'s without anything); where a done callback runs, and with its rules. An error
  // passes by the function and is the new future's. What it returns is the value, of a type that
  // has a Codec, as results have; or absl::StatusOr of it, absl::Status, nothing; or a Future,
  // whose end is waited for:
  //
  //   Future<int> words = executor.Submit(kFetch, url).Then([executor](std::string page) {
  //     return executor.Submit(kCountWords, std::move(page));
  //   });
  //
  // An exception is UNKNOWN, with its words. Cancel of the new future cancels what it waits for.
  // Accepted and Id are the first future's, known when the new one is done.
  template <typename F>
  auto Then(F function) const {
    using Returned = std::decay_t<typename internal::ThenReturn<T, F>::Type>;
    using Value = typename internal::ThenValue<Returned>::Type;
    auto step = [self = *this, function = std::move(function)]() mutable -> internal::ThenStep {
      ResultOf<T> result = std::move(self).Result(kNoWait);
      try {
        if constexpr (std::is_void_v<T>) {
          if (!result.ok()) return internal::EndedStep<void>(std::move(result));
          return ThenCall<Returned, Value>(function);
        } else {
          if (!result.ok()) return internal::EndedStep<void>(result.status());
          return ThenCall<Returned, Value>(function, *std::move(result));
        }
      } catch (const std::exception& error) {
        return internal::EndedStep<void>(absl::UnknownError(error.what()));
      } catch (...) {
        return internal::EndedStep<void>(
            absl::UnknownError("the function threw something that is not a std::exception"));
      }
    };
    return Future<Value>(internal::WhenDone(*this, std::move(step)));
  }

  // Calls `callback(future)` once when the task is done: on the client's callback thread, one
  // callback at a time, in the order of the ends and, for one future, in that of these calls; or at
  // once on this thread when it is done already. It must not throw. It may submit, and may wait for
  // other futures, but holds up other callbacks meanwhile; it must not destroy the client.
  void AddDoneCallback(absl::AnyInvocable<void(const Future<T>&)> callback) const {
    AddCallback([self = *this, callback = std::move(callback)]() mutable { callback(self); });
  }

  // absl::StatusOr<T> result = co_await future, in coroutines of any type that lets its coroutines
  // await what has an operator co_await. The coroutine goes on where a done callback runs: on the
  // client's callback thread, or at once. For coroutines of Asio, which resume on your executor,
  // and for Gather and the like, see treadle/asyncio.h.
  FutureAwaiter<T> operator co_await() const { return FutureAwaiter<T>(*this); }

 private:
  template <typename Returned, typename Value, typename F, typename... Args>
  static internal::ThenStep ThenCall(F& function, Args&&... args) {
    if constexpr (std::is_void_v<Returned>) {
      std::invoke(function, std::forward<Args>(args)...);
      return internal::EndedStep<void>(absl::OkStatus());
    } else if constexpr (std::is_base_of_v<FutureBase, Returned>) {
      internal::ThenStep step;
      Returned next = std::invoke(function, std::forward<Args>(args)...);
      if (!next.valid()) {
        return internal::EndedStep<void>(
            absl::InvalidArgumentError("the function returned a future that is not valid"));
      }
      step.next = next;
      step.after = [next = std::move(next)]() mutable {
        return internal::EndedStep<Value>(std::move(next).Result(kNoWait));
      };
      return step;
    } else {
      return internal::EndedStep<Value>(std::invoke(function, std::forward<Args>(args)...));
    }
  }
};

}  // namespace treadle
