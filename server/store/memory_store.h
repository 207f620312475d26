#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"

#include "proto/support/clock.h"
#include "server/store/store.h"

namespace treadle::store {

// Rows in this process's memory, gone with it. Owns no thread: `on_synced` is called from within
// RequestSync, and says what its caller may believe of a memory store, that everything was applied.
class MemoryStore final : public Store {
 public:
  // `clock` decides what has expired; it outlives the store.
  explicit MemoryStore(const Clock& clock);

  std::string_view Kind() const override { return "memory"; }
  Reach reach() const override { return Reach::kMemory; }
  absl::StatusOr<Sequence> Append(const WriteBatch& batch) override;
  void RequestSync() override;
  void SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) override;
  absl::StatusOr<std::string> Get(std::string_view key) override;
  absl::Status Scan(
      std::string_view begin, std::string_view end,
      absl::FunctionRef<bool(std::string_view key, std::string_view value)> visit) override;
  int64_t FreeBytes() override;

  // Rows held, expired ones that were not dropped yet among them.
  size_t RowCount() const { return rows_.size(); }

 private:
  // Drops up to `rows_max` rows that have expired.
  void DropExpired(size_t rows_max);

  const Clock& clock_;
  std::function<void(absl::StatusOr<Sequence>)> on_synced_;
  Sequence appended_ = 0;
  absl::btree_map<std::string, std::string, std::less<>> rows_;
  // Keys by the second in which their value expires. A key whose row was overwritten or deleted
  // since stays here until then, and is passed over.
  std::map<int64_t, std::vector<std::string>> expiring_;
};

}  // namespace treadle::store
