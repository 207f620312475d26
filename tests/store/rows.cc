#include "tests/store/rows.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "server/store/expiry.h"

namespace treadle::store {

std::string Staying(std::string_view text) {
  std::string value(kStaysBytes, '\0');
  WriteStays(value.data());
  return value.append(text);
}

std::string Expiring(int64_t at_ms, std::string_view text) {
  std::string value(kExpiresBytes, '\0');
  WriteExpires(at_ms, value.data());
  return value.append(text);
}

WriteBatch BatchOf(const Changes& changes) {
  WriteBatch batch;
  for (const auto& [key, value] : changes) {
    if (value.has_value()) {
      batch.Put(key, *value);
    } else {
      batch.Delete(key);
    }
  }
  return batch;
}

absl::StatusOr<Rows> ScanAll(Store& store) {
  Rows rows;
  const absl::Status status =
      store.Scan("", "\xff\xff", [&](std::string_view key, std::string_view value) {
        rows.emplace(key, value);
        return true;
      });
  if (!status.ok()) return status;
  return rows;
}

struct SyncWait::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<absl::StatusOr<Sequence>> answer;  // guarded by mutex
};

SyncWait::SyncWait(Store& store) : store_(store), state_(std::make_shared<State>()) {
  store.SetOnSynced([state = state_](absl::StatusOr<Sequence> synced) {
    const std::lock_guard lock(state->mutex);
    state->answer = std::move(synced);
    state->changed.notify_one();
  });
}

SyncWait::~SyncWait() = default;

absl::StatusOr<Sequence> SyncWait::Sync() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->answer.reset();
  }
  store_.RequestSync();
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->answer.has_value(); });
  return *state_->answer;
}

}  // namespace treadle::store
