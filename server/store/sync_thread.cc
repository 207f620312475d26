#include "server/store/sync_thread.h"

#include <utility>

#include "proto/support/thread_name.h"

namespace treadle::store {

SyncThread::SyncThread(std::function<absl::StatusOr<Sequence>()> sync,
                       std::function<void(absl::StatusOr<Sequence>)> on_synced)
    : sync_(std::move(sync)), on_synced_(std::move(on_synced)), thread_([this] { Run(); }) {}

SyncThread::~SyncThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void SyncThread::Request() {
  {
    const std::lock_guard lock(mutex_);
    requested_ = true;
  }
  changed_.notify_one();
}

void SyncThread::Run() {
  NameThread("store-syncs");
  for (bool ok = true; ok;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return requested_ || stopping_; });
      if (stopping_) return;
      requested_ = false;
    }
    absl::StatusOr<Sequence> synced = sync_();
    ok = synced.ok();
    on_synced_(std::move(synced));
  }
}

}  // namespace treadle::store
