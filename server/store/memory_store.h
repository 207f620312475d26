#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "absl/container/btree_map.h"
#include "absl/container/inlined_vector.h"

#include "proto/support/clock.h"
#include "server/store/store.h"

namespace treadle::store {

// Rows in this process's memory, gone with it. Owns no thread: `on_synced` is called from within
// RequestSync, and says what its caller may believe of a memory store, that everything was applied.
//
// `bytes_max` is what it may take, near enough: FreeBytes tells how much of it is left. Append does
// not refuse beyond it; who appends asks first and keeps a margin, as with a disk.
class MemoryStore final : public Store {
 public:
  // `clock` decides what has expired; it outlives the store.
  explicit MemoryStore(const Clock& clock, int64_t bytes_max = std::numeric_limits<int64_t>::max());

  std::string_view Kind() const override { return "memory"; }
  Reach reach() const override { return Reach::kMemory; }
  absl::StatusOr<Sequence> Append(const WriteBatch& batch) override;
  void RequestSync() override;
  void SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) override;
  absl::StatusOr<std::string> Get(std::string_view key) override;
  using Store::Scan;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin, std::string_view end,
                                                  size_t rows_max, VisitRow visit) override;
  absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view begin, std::string_view end,
                                                      size_t rows_max, VisitRow visit) override;
  int64_t FreeBytes() override;

  // What it takes, near enough.
  int64_t bytes() const { return bytes_; }
  // Rows held, expired ones that were not dropped yet among them.
  size_t RowCount() const { return rows_.size(); }

 private:
  // A task's key has 17 bytes: it lies within the map's nodes, where it is compared.
  using Key = absl::InlinedVector<char, 24>;
  struct KeyLess {
    using is_transparent = void;
    static std::string_view View(const Key& key) { return {key.data(), key.size()}; }
    static std::string_view View(std::string_view key) { return key; }
    bool operator()(const auto& a, const auto& b) const { return View(a) < View(b); }
  };
  // Keys one after the other, the last of which can be taken off again.
  class KeyStack {
   public:
    static int64_t BytesOf(std::string_view key) {
      return static_cast<int64_t>(key.size() + sizeof(size_t));
    }
    bool empty() const { return bytes_.empty(); }
    void Push(std::string_view key);
    std::string_view top() const;
    void Pop();

   private:
    std::string bytes_;  // each key, then its length
  };

  void Put(std::string_view key, std::string_view value);
  // Drops up to `rows_max` rows that have expired.
  void DropExpired(size_t rows_max);

  void Erase(std::string_view key);

  const Clock& clock_;
  const int64_t bytes_max_;
  int64_t bytes_ = 0;  // of rows_ and expiring_, about
  std::function<void(absl::StatusOr<Sequence>)> on_synced_;
  Sequence appended_ = 0;
  absl::btree_map<Key, std::string, KeyLess> rows_;
  // Keys by the second in which their value expires. A key whose row was overwritten or deleted
  // since stays here until then, and is passed over.
  std::map<int64_t, KeyStack> expiring_;
};

}  // namespace treadle::store
