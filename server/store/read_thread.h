#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"

#include "server/store/busy_time.h"

namespace treadle::store {

// A thread for what may have to wait for the disk to read: one call after the other, the urgent
// ones first. Its callers bound how many there are.
class ReadThread {
 public:
  // `busy` shows the call under way; it outlives this.
  explicit ReadThread(BusyTime& busy);
  // Waits for the call under way. The others are dropped.
  ~ReadThread();

  // Any thread.
  void Add(bool urgent, absl::AnyInvocable<void()> call);

 private:
  void Run();

  BusyTime& busy_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<absl::AnyInvocable<void()>> urgent_;  // guarded by mutex_
  std::deque<absl::AnyInvocable<void()>> others_;  // guarded by mutex_
  bool stopping_ = false;                          // guarded by mutex_

  std::thread thread_;  // last: it uses the rest
};

}  // namespace treadle::store
