#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace treadle::client {

// Where users' callbacks run: one at a time, in order, away from the threads that they could hold
// up.
class CallbackThread {
 public:
  CallbackThread();
  // Runs what is posted, then returns. REQUIRES: not called from a callback.
  ~CallbackThread();

  void Post(std::vector<absl::AnyInvocable<void()>> callbacks);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable posted_;
  // Protected by mutex_.
  std::deque<absl::AnyInvocable<void()>> callbacks_;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace treadle::client
