#include "tests/harness/crashing_store.h"

#include <utility>

namespace treadle::testing {
namespace {

absl::Status Crashed() { return absl::AbortedError("the broker crashed, as its test asked"); }

}  // namespace

void CrashingStore::Crash() {
  crashed_ = true;
  std::function<void(absl::StatusOr<store::Sequence>)> on_synced;
  {
    std::lock_guard lock(mutex_);
    on_synced = on_synced_;
  }
  if (on_synced) on_synced(Crashed());
}

absl::StatusOr<store::Sequence> CrashingStore::Append(const store::WriteBatch& batch) {
  if (crashed_) return Crashed();
  if (const auto kept = kept_.Append(batch); !kept.ok()) return kept.status();
  return ++appended_;
}

// What is kept is safe as soon as it was appended.
void CrashingStore::RequestSync() {
  std::function<void(absl::StatusOr<store::Sequence>)> on_synced;
  {
    std::lock_guard lock(mutex_);
    on_synced = on_synced_;
  }
  on_synced(appended_);
}

void CrashingStore::SetOnSynced(std::function<void(absl::StatusOr<store::Sequence>)> on_synced) {
  std::lock_guard lock(mutex_);
  on_synced_ = std::move(on_synced);
}

}  // namespace treadle::testing
