#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include <asio.hpp>

#include "treadle/asyncio/latch.h"
#include "treadle/asyncio/task.h"
#include "treadle/asyncio/until.h"

namespace treadle::asyncio {

// Coroutines and tasks that stand or fall together. When one fails, the others are cancelled:
//
//   TaskGroup group(co_await asio::this_coro::executor);
//   group.CreateTask(FetchPage("a"));
//   group.Add(executor.Submit(kSumSquares, 42));
//   absl::Status status = co_await group.Join();
//
// A handle; thread-safe. Python's group joins by itself at the end of its block; C++ cannot wait in
// a destructor, so Join is yours to await.
class TaskGroup {
 public:
  explicit TaskGroup(asio::any_io_executor executor)
      : executor_(std::move(executor)), state_(std::make_shared<State>()) {}

  // Starts a coroutine on the group's executor.
  template <typename R>
  Task<ValueOf<R>> CreateTask(asio::awaitable<R> coroutine) {
    Task<ValueOf<R>> task = asyncio::CreateTask(executor_, std::move(coroutine));
    Add(task);
    return task;
  }

  template <Waitable W>
  void Add(const W& waitable) {
    const uint64_t member = state_->Enter([waitable] { waitable.Cancel(); }, kIsCoroutine<W>);
    waitable.AddDoneCallback([state = state_, member](const W& done) {
      const absl::Status end = EndOf(done);
      // A member that was cancelled by itself is no failure of the group, as in Python.
      state->Leave(member, absl::IsCancelled(end) ? absl::OkStatus() : end, kIsCoroutine<W>);
    });
  }

  // Waits until all have ended: OK, or the first failure. When the awaiting coroutine is cancelled,
  // so are all of them, and it returns CANCELLED when the coroutines among them have unwound.
  asio::awaitable<absl::Status> Join() {
    const std::shared_ptr<State> state = state_;
    Cancellation cancel = [state] {
      state->Fail(CancelledWhileAwaiting());
      return state->coroutines.WhenNone();
    };
    asio::awaitable<AwaitEnd> awaited = UntilOrCancel(
        state->members.WhenNone(), std::chrono::steady_clock::time_point::max(), std::move(cancel));
    co_await std::move(awaited);
    co_return state->FirstFailure();
  }

 private:
  // How many have not ended.
  class Count {
   public:
    void Add(int64_t more) {
      std::optional<Latch> latch;
      {
        std::lock_guard lock(mutex_);
        count_ += more;
        if (count_ == 0) latch = none_;
      }
      if (latch.has_value()) latch->Open();
    }
    // Opens as soon as there is none.
    Latch WhenNone() {
      std::lock_guard lock(mutex_);
      none_.emplace();
      if (count_ == 0) none_->Open();
      return *none_;
    }

   private:
    std::mutex mutex_;
    // Protected by mutex_.
    int64_t count_ = 0;
    std::optional<Latch> none_;
  };

  struct State {
    // Cancels it at once when the group has failed already.
    uint64_t Enter(absl::AnyInvocable<void()> cancel, bool is_coroutine) {
      members.Add(1);
      coroutines.Add(is_coroutine ? 1 : 0);
      uint64_t member = 0;
      {
        std::lock_guard lock(mutex);
        member = ++last_member;
        if (failure.ok()) {
          cancels.emplace(member, std::move(cancel));
          return member;
        }
      }
      cancel();
      return member;
    }
    void Leave(uint64_t member, const absl::Status& end, bool is_coroutine) {
      absl::AnyInvocable<void()> let_go;
      {
        std::lock_guard lock(mutex);
        if (auto found = cancels.find(member); found != cancels.end()) {
          let_go = std::move(found->second);
          cancels.erase(found);
        }
      }
      if (!end.ok()) Fail(end);
      coroutines.Add(is_coroutine ? -1 : 0);
      members.Add(-1);
    }
    void Fail(const absl::Status& why) {
      std::map<uint64_t, absl::AnyInvocable<void()>> to_cancel;
      {
        std::lock_guard lock(mutex);
        if (!failure.ok()) return;
        failure = why;
        to_cancel.swap(cancels);
      }
      for (auto& [member, cancel] : to_cancel) cancel();
    }
    absl::Status FirstFailure() {
      std::lock_guard lock(mutex);
      return failure;
    }

    Count members;
    Count coroutines;
    std::mutex mutex;
    // Protected by mutex.
    uint64_t last_member = 0;
    absl::Status failure;
    std::map<uint64_t, absl::AnyInvocable<void()>> cancels;  // of those that have not ended
  };

  asio::any_io_executor executor_;
  std::shared_ptr<State> state_;
};

}  // namespace treadle::asyncio
