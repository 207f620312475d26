#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/status/statusor.h"

#include "server/store/store.h"

namespace treadle::store {

// A thread that makes appends durable when asked. Requests that come while one sync is under way
// are answered together by the next: so the slower the disk, the more each sync carries.
class SyncThread {
 public:
  // `sync` makes everything durable that was appended before it was called, and returns up to
  // where. `on_synced` gets what it returned. Both are called on this thread. After an error
  // neither is called again: what a failed fdatasync left on the disk is not known, and a second
  // one would say OK without having written it.
  SyncThread(std::function<absl::StatusOr<Sequence>()> sync,
             std::function<void(absl::StatusOr<Sequence>)> on_synced);
  // Waits for the sync under way. What is still asked for is not done.
  ~SyncThread();

  // Any thread.
  void Request();

 private:
  void Run();

  const std::function<absl::StatusOr<Sequence>()> sync_;
  const std::function<void(absl::StatusOr<Sequence>)> on_synced_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool requested_ = false;  // guarded by mutex_
  bool stopping_ = false;   // guarded by mutex_

  std::thread thread_;  // last: it uses the rest
};

}  // namespace treadle::store
