#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "proto/support/clock.h"
#include "server/store/ballast.h"
#include "server/store/busy_time.h"
#include "server/store/data_directory.h"
#include "server/store/read_thread.h"
#include "server/store/recovery_check.h"
#include "server/store/space_gauge.h"
#include "server/store/store.h"
#include "server/store/sync_thread.h"
#include "server/store/synced_ends.h"

namespace rocksdb {
class CompactionFilter;
class DB;
class Env;
class WalFilter;
class WriteBatch;
}  // namespace rocksdb

namespace treadle::store {

class DiskSpace;
class Reclaimer;
class TableCuts;
class WatchedFiles;

struct RocksStoreOptions {
  std::string directory;  // created if missing; see DataDirectory
  // Of rows and their indexes, uncompressed. Payloads that were just submitted are not read from
  // here: the broker has its own cache.
  int64_t block_cache_bytes = int64_t{64} << 20;
  // Rows appended before they move from the write-ahead log to files of their own. Memory: up to
  // three times as much and RocksDB's index over it, about four times in all. Recovery reads back
  // as much.
  int64_t memtable_bytes = int64_t{64} << 20;
  int64_t table_files_max = 512;              // open at once
  int64_t ballast_bytes = int64_t{64} << 20;  // see Ballast; 0: none
  // Append refuses below that: what is in memory must still find room in files.
  int64_t free_bytes_min = int64_t{64} << 20;
  // Kept beside that, and what compactions need, for the outcomes of what was accepted: FreeBytes
  // does not count it.
  int64_t outcome_bytes_min = int64_t{256} << 20;
  // These three, and memtable_bytes, are less on a small disk: see DiskShares.

  // Below that many FreeBytes (or at 0) it drops what is dead to make room.
  int64_t keep_free_bytes = 0;
  // Called about once a second, on the opening thread, while the write-ahead log is read back.
  std::function<void(int64_t bytes_done, int64_t bytes_total)> progress;
  // Told what an operator should know though the store goes on, a sentence each: what a torn end of
  // the write-ahead log dropped, that it wants a descriptor. By any of the store's threads.
  std::function<void(const std::string& notice)> notice;
  // Called when a file could not be written or synced, on the thread that found it, of whichever
  // kind, after which every Append fails; maybe more than once. A server ends its process here: if
  // this returns, an assertion of RocksDB's may end it at any moment. What it gets is also what
  // Append and `on_synced` say.
  std::function<void(const absl::Status& failure)> on_failure;
};

// Rows in a RocksDB of this process. A batch is in the operating system's hands when Append
// returns: it survives the process; when it is synced it survives the machine.
//
// Recovery takes every batch that was synced, whole, and of those that were not, the first few
// whole ones: never a later one without all before it. Damage that could hide a synced batch is
// refused (server/store/recovery_check.h). What Open shows is durable.
//
// Threads: as Store says. `on_synced` comes from the store's sync thread.
class RocksStore final : public Store {
 public:
  // FAILED_PRECONDITION: the directory is in use, of a newer format, or somebody else's.
  // PERMISSION_DENIED: no right to use it. RESOURCE_EXHAUSTED: its disk is full. DATA_LOSS: it is
  // damaged; the message names the file. `clock` decides what has expired; it outlives the store
  // and is read by several threads.
  static absl::StatusOr<std::unique_ptr<RocksStore>> Open(const RocksStoreOptions& options,
                                                          const Clock& clock);
  // Waits for a sync and for compactions under way. Syncs no rows by itself.
  ~RocksStore() override;
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  std::string_view Kind() const override { return "rocksdb"; }
  Reach reach() const override { return Reach::kDisk; }
  // RESOURCE_EXHAUSTED: the disk is full. DATA_LOSS: it failed. Either is final.
  absl::StatusOr<Sequence> Append(const WriteBatch& batch) override;
  void RequestSync() override;
  void RequestSyncHere() override;
  void SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) override;
  absl::StatusOr<std::string> Get(std::string_view key) override;
  absl::Status GetMany(absl::Span<const std::string> keys, VisitFound visit) override;
  using Store::Scan;
  absl::StatusOr<std::optional<std::string>> Scan(std::string_view begin, std::string_view end,
                                                  size_t rows_max, VisitRow visit) override;
  absl::StatusOr<std::optional<std::string>> ScanBack(std::string_view begin, std::string_view end,
                                                      size_t rows_max, VisitRow visit) override;
  void ReadLater(Urgency urgency, absl::AnyInvocable<void()> read) override;
  // Less what compactions, rows in memory and the outcomes of accepted tasks need.
  int64_t FreeBytes() override;
  std::optional<int64_t> BusySinceMs() const override;
  std::optional<DiskFigures> Figures() const override;

  // Rewrites every file now, and so drops all that has expired. Takes as long as that takes. On the
  // thread of Append.
  absl::Status Compact();

 private:
  RocksStore(const RocksStoreOptions& options, const Clock& clock,
             std::unique_ptr<DataDirectory> directory);
  absl::Status OpenRows();
  absl::StatusOr<Recovery> ReadRecovery();
  // Makes room for the logs' rows in tables: of what is no longer needed, where that must be.
  absl::Status MakeRoom(const Recovery& recovery);
  void BeginReclaiming();
  absl::Status CheckSpace(int64_t batch_bytes);
  int64_t BesideNeeds(int64_t device_free_bytes) const;
  // Begins a new write-ahead log and has the rows of the old one written to a file, behind unless
  // `wait`, while which Append waits, too.
  absl::Status SwitchLog(bool wait);
  absl::Status SwitchLogLocked(bool wait);
  absl::StatusOr<Sequence> Sync();
  // Makes `status` the answer to every later Append, unless something failed before: that is then
  // the cause, and what is returned.
  absl::Status Fail(absl::Status status);
  absl::Status Failure();

  const RocksStoreOptions options_;
  const Clock& clock_;
  const std::unique_ptr<DataDirectory> directory_;
  const std::unique_ptr<rocksdb::CompactionFilter> expiry_;
  SyncedEnds ends_;
  const std::shared_ptr<WatchedFiles> files_;
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::WalFilter> replay_progress_;

  const std::shared_ptr<DiskSpace> space_;
  const std::shared_ptr<TableCuts> cuts_;

  // The appending thread's.
  Ballast ballast_;
  const std::unique_ptr<rocksdb::WriteBatch> rocks_batch_;  // kept for its memory

  std::mutex log_mutex_;  // held while a batch is written, or the log switched
  // Changed under log_mutex_: appended since the log was begun.
  std::atomic<int64_t> log_bytes_ = 0;

  SpaceGauge gauge_;
  BusyTime append_time_;
  BusyTime sync_time_;
  BusyTime read_time_;
  std::atomic<Sequence> appended_ = 0;
  std::atomic<uint64_t> changes_ = 0;  // of rows
  Sequence synced_ = 0;                // the sync thread's
  std::mutex sync_mutex_;  // held while it syncs and, if that failed, until failure_ says so

  std::mutex failure_mutex_;
  absl::Status failure_;  // guarded by failure_mutex_

  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<Reclaimer> reclaimer_;  // it and the next two use the rest
  std::unique_ptr<SyncThread> sync_thread_;
  ReadThread read_thread_;  // last: what it calls uses the rest
};

}  // namespace treadle::store
