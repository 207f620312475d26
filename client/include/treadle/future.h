#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/submit_options.h"
#include "treadle/task_error.h"
#include "treadle/timeout.h"

namespace treadle {

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

// What the broker said when it accepted a task. For an attached future: `existing`, and kMemory
// because it is not known.
struct Acceptance {
  Acceptance() = default;

  std::string task_id;
  Durability durability = Durability::kMemory;  // the level that was reached
  bool existing = false;  // the request key named a task that was there already
};

// What all futures share, whatever their result's type. A handle: copies speak of the same task.
// Every method may be called from any thread. REQUIRES of all but valid(): valid().
class FutureBase {
 public:
  FutureBase() = default;
  explicit FutureBase(FutureStateRef state) : state_(std::move(state)) {}

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

  const FutureStateRef& state() const { return state_; }

 protected:
  void AddCallback(absl::AnyInvocable<void()> callback) const;
  // REQUIRES: Wait returned OK. Valid as long as a future of the task lives.
  const std::string& result_bytes() const;
  const std::string& result_content_type() const;

 private:
  FutureStateRef state_;
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

// The result of a task that was submitted (Executor::Submit) or looked up (Client::Attach).
// Dropping it does not cancel the task.
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
  ResultOf<T> Result(Timeout timeout = kForever) const {
    absl::Status status = Wait(timeout);
    if (!status.ok()) return status;
    return DecodeResult<T>(result_bytes(), result_content_type());
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
};

}  // namespace treadle
