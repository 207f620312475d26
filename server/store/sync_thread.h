#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/status/statusor.h"

#include "server/store/store.h"

namespace treadle::store {

// A thread that makes appends durable when asked. Requests that come while one sync is under way
// are answered together by the next: so the slower the disk, the more each sync carries.
//
// Whoever has nothing else to do may sync on his own thread: a wake-up less.
class SyncThread {
 public:
  // `sync` makes everything durable that was appended before it was called, and returns up to
  // where. `on_synced` gets what it returned. Both are called on this thread or RequestHere's, one
  // at a time. After an error neither is called again: what a failed fdatasync left on the disk is
  // not known, and a second one would say OK without having written it.
  SyncThread(std::function<absl::StatusOr<Sequence>()> sync,
             std::function<void(absl::StatusOr<Sequence>)> on_synced);
  // Waits for the sync under way. What is still asked for is not done.
  ~SyncThread();

  // Any thread.
  void Request();
  // The same; it syncs on the calling thread unless a sync is under way, or the last one was so
  // slow that the caller had better go on. REQUIRES: the destructor has not begun, nor begins
  // meanwhile.
  void RequestHere();

 private:
  void Run();
  // REQUIRES: syncing_ is this thread's.
  void Sync();

  const std::function<absl::StatusOr<Sequence>()> sync_;
  const std::function<void(absl::StatusOr<Sequence>)> on_synced_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // All guarded by mutex_.
  bool requested_ = false;
  bool syncing_ = false;
  bool failed_ = false;
  bool stopping_ = false;
  std::chrono::steady_clock::duration took_{};  // the last sync

  std::thread thread_;  // last: it uses the rest
};

}  // namespace treadle::store
