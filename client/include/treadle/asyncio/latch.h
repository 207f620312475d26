#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace treadle::asyncio {

// Opens once. A handle; thread-safe.
class Latch {
 public:
  Latch() : state_(std::make_shared<State>()) {}

  bool Done() const {
    std::lock_guard lock(state_->mutex);
    return state_->open;
  }

  void Open() const {
    std::vector<absl::AnyInvocable<void()>> callbacks;
    {
      std::lock_guard lock(state_->mutex);
      if (std::exchange(state_->open, true)) return;
      callbacks.swap(state_->callbacks);
    }
    for (absl::AnyInvocable<void()>& callback : callbacks) callback();
  }

  // On the thread that opens it, or at once when it is open.
  void WhenOpen(absl::AnyInvocable<void()> callback) const {
    {
      std::lock_guard lock(state_->mutex);
      if (!state_->open) {
        state_->callbacks.push_back(std::move(callback));
        return;
      }
    }
    callback();
  }

 private:
  struct State {
    std::mutex mutex;
    bool open = false;
    std::vector<absl::AnyInvocable<void()>> callbacks;
  };

  std::shared_ptr<State> state_;
};

}  // namespace treadle::asyncio
