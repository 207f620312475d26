#include "server/store/sync_thread.h"

#include <utility>

#include "proto/support/thread_name.h"

namespace treadle::store {
namespace {

// On a disk whose syncs take longer, what is written meanwhile gains more than a wake-up costs.
constexpr std::chrono::milliseconds kQuick{1};

}  // namespace

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

void SyncThread::RequestHere() {
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    if (requested_ || syncing_ || took_ > kQuick) {
      requested_ = true;
      if (!syncing_) changed_.notify_one();
      return;
    }
    syncing_ = true;
  }
  Sync();
}

void SyncThread::Sync() {
  const auto begun = std::chrono::steady_clock::now();
  absl::StatusOr<Sequence> synced = sync_();
  const bool ok = synced.ok();
  on_synced_(std::move(synced));
  const std::lock_guard lock(mutex_);
  took_ = std::chrono::steady_clock::now() - begun;
  syncing_ = false;
  failed_ = !ok;
  if (requested_) changed_.notify_one();
}

void SyncThread::Run() {
  NameThread("store-syncs");
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || (requested_ && !syncing_ && !failed_); });
      if (stopping_) return;
      requested_ = false;
      syncing_ = true;
    }
    Sync();
  }
}

}  // namespace treadle::store
