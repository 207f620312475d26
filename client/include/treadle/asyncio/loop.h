#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include <asio.hpp>

// Awaits that other threads end reach into an execution context (an io_context, say) which may be
// destroyed first: a program that stops its loop at Ctrl-C does so. Then they are dropped.

namespace treadle::asyncio {

// What belongs to one context and goes before it. Outlives it. Thread-safe.
class Loop {
 public:
  // Of an executor's context.
  template <typename Executor>
  static std::shared_ptr<Loop> Of(const Executor& executor) {
    return asio::use_service<Service>(asio::query(executor, asio::execution::context)).loop;
  }

 private:
  template <typename T>
  friend class LoopOwned;

  class Member {
   public:
    virtual ~Member() = default;
  };
  using Members = std::list<std::unique_ptr<Member>>;

  struct Service final : asio::execution_context::service {
    static inline asio::execution_context::id id;

    explicit Service(asio::execution_context& context)
        : asio::execution_context::service(context) {}
    void shutdown() override { loop->End(); }

    const std::shared_ptr<Loop> loop = std::make_shared<Loop>();
  };

  void End() {
    Members members;
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
      members.swap(members_);
    }
    // They go here, with the lock free: one may hold another one's handle.
  }

  std::mutex mutex_;
  // Protected by mutex_.
  bool ended_ = false;
  Members members_;
};

// A handle to a value that belongs to a context: an executor, a coroutine's continuation. The
// context's Loop owns the value, so it goes with the context, on the thread that destroys that, or
// with the handle, whichever is first; never after the context, whoever drops the handle when.
template <typename T>
class LoopOwned {
 public:
  // REQUIRES: the context is there.
  LoopOwned(std::shared_ptr<Loop> loop, T value) : loop_(std::move(loop)) {
    auto holder = std::make_unique<Holder>(std::move(value));
    value_ = &holder->value;
    std::lock_guard lock(loop_->mutex_);
    place_ = loop_->members_.insert(loop_->members_.end(), std::move(holder));
  }
  ~LoopOwned() {
    Take([](const T&) {});
  }
  LoopOwned(const LoopOwned&) = delete;
  LoopOwned& operator=(const LoopOwned&) = delete;

  // Calls `use` with the value, while the context is kept from ending; not when the value is gone.
  // Neither `use` nor the value's end may block or call users' code: to post is right.
  template <typename Use>
  void With(Use use) {
    std::lock_guard lock(loop_->mutex_);
    if (!loop_->ended_ && value_ != nullptr) use(*value_);
  }

  // The same, once: the value is gone afterwards.
  template <typename Use>
  void Take(Use use) {
    With([&](T& value) {
      use(std::move(value));
      value_ = nullptr;
      loop_->members_.erase(place_);
    });
  }

 private:
  struct Holder final : Loop::Member {
    explicit Holder(T value_in) : value(std::move(value_in)) {}
    T value;
  };

  const std::shared_ptr<Loop> loop_;
  // Protected by the loop's mutex; not used once that has ended.
  T* value_;  // null: taken
  Loop::Members::iterator place_;
};

}  // namespace treadle::asyncio
