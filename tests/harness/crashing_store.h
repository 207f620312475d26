#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "server/store/store.h"

namespace treadle::testing {

// One life's view of a store that outlives it. A crash is what the broker takes for a failed disk:
// it ends at once, and says nothing more.
class CrashingStore final : public store::Store {
 public:
  // `kept` outlives it, and is used by one life at a time.
  explicit CrashingStore(store::Store& kept) : kept_(kept) {}

  // Any thread.
  void Crash();

  std::string_view Kind() const override { return kept_.Kind(); }
  store::Reach reach() const override { return kept_.reach(); }
  absl::StatusOr<store::Sequence> Append(const store::WriteBatch& batch) override;
  void RequestSync() override;
  void SetOnSynced(std::function<void(absl::StatusOr<store::Sequence>)> on_synced) override;
  absl::StatusOr<std::string> Get(std::string_view key) override { return kept_.Get(key); }
  using Store::Scan;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin, std::string_view end,
                                                  size_t rows_max, VisitRow visit) override {
    return kept_.Scan(begin, end, rows_max, visit);
  }
  absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view begin, std::string_view end,
                                                      size_t rows_max, VisitRow visit) override {
    return kept_.ScanBack(begin, end, rows_max, visit);
  }
  int64_t FreeBytes() override { return kept_.FreeBytes(); }

 private:
  store::Store& kept_;
  std::atomic<bool> crashed_ = false;
  std::mutex mutex_;
  std::function<void(absl::StatusOr<store::Sequence>)> on_synced_;  // GUARDED_BY(mutex_)
  store::Sequence appended_ = 0;                                    // in this life
};

}  // namespace treadle::testing
