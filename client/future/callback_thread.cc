#include "client/future/callback_thread.h"

#include <iterator>
#include <utility>

#include "proto/support/assert.h"
#include "proto/support/thread_name.h"

namespace treadle::client {

CallbackThread::CallbackThread() : thread_([this] { Run(); }) {}

CallbackThread::~CallbackThread() {
  TREADLE_ASSERT(std::this_thread::get_id() != thread_.get_id());
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  posted_.notify_one();
  thread_.join();
}

void CallbackThread::Post(std::vector<absl::AnyInvocable<void()>> callbacks) {
  {
    std::lock_guard lock(mutex_);
    std::move(callbacks.begin(), callbacks.end(), std::back_inserter(callbacks_));
  }
  posted_.notify_one();
}

void CallbackThread::Run() {
  NameThread("treadle-futures");
  std::unique_lock lock(mutex_);
  while (true) {
    posted_.wait(lock, [this] { return stopping_ || !callbacks_.empty(); });
    if (callbacks_.empty()) return;
    std::deque<absl::AnyInvocable<void()>> callbacks = std::exchange(callbacks_, {});
    lock.unlock();
    // Each is destroyed, with what it holds on to, before the next one runs.
    for (; !callbacks.empty(); callbacks.pop_front()) callbacks.front()();
    lock.lock();
  }
}

}  // namespace treadle::client
