#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include <asio.hpp>

// Awaits that other threads end reach into an execution context (an io_context, say) which may be
// destroyed first: a program that stops its loop at Ctrl-C does so. Then they are dropped.

namespace treadle::asyncio {

// Something that waits outside of its context for a word to go on inside it.
class LoopMember {
 public:
  virtual ~LoopMember() = default;
  // The context is being destroyed: let go of all that belongs to it. Called once, unless it has
  // left before.
  virtual void OnLoopEnd() = 0;
};

// The members of one context. Outlives it. Thread-safe.
class Loop {
 public:
  // Of an executor's context.
  template <typename Executor>
  static std::shared_ptr<Loop> Of(const Executor& executor) {
    return asio::use_service<Service>(asio::query(executor, asio::execution::context)).loop;
  }

  using Place = std::list<std::weak_ptr<LoopMember>>::iterator;

  // REQUIRES: the context is there.
  Place Enter(std::weak_ptr<LoopMember> member) {
    std::lock_guard lock(mutex_);
    return members_.insert(members_.end(), std::move(member));
  }

  // Calls `use` while the context is there and is kept from ending. It must not block, nor call
  // users' code: to post is right.
  template <typename Use>
  void WhileThere(Use use) {
    std::lock_guard lock(mutex_);
    if (!ended_) use();
  }
  // REQUIRES: called from WhileThere.
  void Leave(Place place) { members_.erase(place); }

 private:
  struct Service final : asio::execution_context::service {
    static inline asio::execution_context::id id;

    explicit Service(asio::execution_context& context)
        : asio::execution_context::service(context) {}
    void shutdown() override { loop->End(); }

    const std::shared_ptr<Loop> loop = std::make_shared<Loop>();
  };

  void End() {
    std::list<std::weak_ptr<LoopMember>> members;
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
      members.swap(members_);
    }
    for (const std::weak_ptr<LoopMember>& each : members) {
      if (const std::shared_ptr<LoopMember> member = each.lock()) member->OnLoopEnd();
    }
  }

  std::mutex mutex_;
  // Protected by mutex_.
  bool ended_ = false;
  std::list<std::weak_ptr<LoopMember>> members_;
};

// An executor that may outlive its context.
class LoopExecutor final : public LoopMember {
 public:
  // REQUIRES: the executor's context is there.
  static std::shared_ptr<LoopExecutor> Of(const asio::any_io_executor& executor) {
    auto made = std::make_shared<LoopExecutor>(executor);
    made->place_ = made->loop_->Enter(made);
    return made;
  }
  explicit LoopExecutor(const asio::any_io_executor& executor)
      : loop_(Loop::Of(executor)), executor_(executor) {}
  ~LoopExecutor() override {
    loop_->WhileThere([this] { loop_->Leave(place_); });
  }

  // Does nothing when the context has ended.
  template <typename Run>
  void Post(Run run) {
    loop_->WhileThere([&] { asio::post(executor_, std::move(run)); });
  }

  void OnLoopEnd() override { executor_ = asio::any_io_executor(); }

 private:
  const std::shared_ptr<Loop> loop_;
  asio::any_io_executor executor_;  // unused once the loop has ended
  Loop::Place place_;
};

}  // namespace treadle::asyncio
