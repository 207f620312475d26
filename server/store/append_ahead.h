#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/container/flat_hash_map.h"

#include "server/store/store.h"

namespace treadle::store {

// A store whose batches another store writes on a thread of this one's: so that a disk that hangs,
// or a store that stalls its writers, does not hold up who appends. Batches that are on their way
// are seen by Get and GetMany, but not by Scan.
//
// They are in memory as long as that takes: PendingBytes is what the caller bounds.
class AppendAhead final : public Store {
 public:
  // REQUIRES: the other's Append and RequestSync may be called on another thread than the rest of
  // it.
  explicit AppendAhead(std::unique_ptr<Store> store);
  // Waits for the batch under way. Those that it does not have yet are dropped.
  ~AppendAhead() override;

  std::string_view Kind() const override { return store_->Kind(); }
  Reach reach() const override { return store_->reach(); }

  // Never waits. Not OK: an earlier one failed.
  absl::StatusOr<Sequence> Append(const WriteBatch& batch) override;
  void RequestSync() override;
  void SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) override;
  bool SetOnWritten(std::function<void(absl::StatusOr<Sequence>)> on_written) override;
  int64_t PendingBytes() const override;

  using Store::Scan;
  absl::StatusOr<std::string> Get(std::string_view key) override;
  absl::Status GetMany(absl::Span<const std::string> keys, VisitFound visit) override;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin, std::string_view end,
                                                  size_t rows_max, VisitRow visit) override;
  void ReadLater(Urgency urgency, absl::AnyInvocable<void()> read) override;

  int64_t FreeBytes() override { return store_->FreeBytes(); }
  std::optional<int64_t> BusySinceMs() const override { return store_->BusySinceMs(); }

 private:
  struct Pending {
    WriteBatch batch;
    // Made when somebody looks something up: the latest change to each key.
    absl::flat_hash_map<std::string_view, size_t> index;
  };
  // The value that a batch on its way gives to the key: absent, if none changes it; empty inside,
  // if it is deleted.
  using Found = std::optional<std::optional<std::string>>;

  void Run();
  Found Find(std::string_view key);

  const std::unique_ptr<Store> store_;
  std::function<void(absl::StatusOr<Sequence>)> on_written_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Pending>> pending_;  // the first is being written
  int64_t pending_bytes_ = 0;
  Sequence appended_ = 0;
  bool sync_wanted_ = false;
  bool stopping_ = false;
  absl::Status failure_;

  std::thread thread_;  // last: it uses the rest
};

}  // namespace treadle::store
