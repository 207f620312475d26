#pragma once

#include <atomic>
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
#include <vector>

#include "server/store/store.h"

namespace treadle::store {

// A store whose batches another store writes, on a thread of this one's: so that a disk that hangs,
// or a store that stalls its writers, holds up nobody who appends.
//
// Syncs and reads are passed on in their place among the appends: a sync covers all that was
// appended before it was asked for, and ReadLater sees it. Get, GetMany and the scans see what
// is written.
//
// Batches are in memory until they are written: UnwrittenBytes is what the caller bounds.
class WriteBehind final : public Store {
 public:
  // REQUIRES: nothing was appended to `store`. Its Append is called on a thread of this one's;
  // RequestSync and ReadLater on that or the caller's, one at a time, also while it appends.
  explicit WriteBehind(std::unique_ptr<Store> store);
  // Waits for the batch under way. Those that come after it are dropped, as if the process had
  // died.
  ~WriteBehind() override;

  std::string_view Kind() const override { return store_->Kind(); }
  Reach reach() const override { return store_->reach(); }

  // Never waits. Not OK: an earlier one failed.
  absl::StatusOr<Sequence> Append(const WriteBatch& batch) override;
  absl::StatusOr<Sequence> Take(WriteBatch& batch) override;
  bool SetOnWritten(std::function<void(absl::StatusOr<Sequence>)> on_written) override;
  int64_t UnwrittenBytes() const override { return unwritten_bytes_; }
  void RequestSync() override;
  void SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) override;

  using Store::Scan;
  absl::StatusOr<std::string> Get(std::string_view key) override;
  absl::Status GetMany(absl::Span<const std::string> keys, VisitFound visit) override;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin, std::string_view end,
                                                  size_t rows_max, VisitRow visit) override;
  absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view begin, std::string_view end,
                                                      size_t rows_max, VisitRow visit) override;
  void ReadLater(Urgency urgency, absl::AnyInvocable<void()> read) override;

  int64_t FreeBytes() override { return store_->FreeBytes(); }
  std::optional<int64_t> BusySinceMs() const override { return store_->BusySinceMs(); }
  std::optional<DiskFigures> Figures() const override { return store_->Figures(); }

 private:
  struct Read {
    Urgency urgency;
    absl::AnyInvocable<void()> read;
  };
  // A batch that is not written yet, and what was asked for after it and before the next.
  struct Pending {
    WriteBatch batch;
    bool sync = false;
    std::vector<Read> reads;
  };

  void Run();
  void Written(Sequence sequence);
  static int64_t BytesOf(const WriteBatch& batch);

  const std::unique_ptr<Store> store_;
  std::function<void(absl::StatusOr<Sequence>)> on_written_;
  std::atomic<int64_t> unwritten_bytes_ = 0;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<Pending> pending_;    // the first is being written
  std::vector<WriteBatch> spare_;  // kept for their memory
  Sequence appended_ = 0;
  absl::Status failure_;
  bool stopping_ = false;

  bool syncs_here_ = false;  // the thread's: a sync is asked for, and it has nothing else to do
  std::thread thread_;       // last: it uses the rest
};

}  // namespace treadle::store
