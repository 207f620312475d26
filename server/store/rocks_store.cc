#include "server/store/rocks_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/perf_level.h"
#include "rocksdb/write_batch.h"

#include "proto/support/assert.h"
#include "proto/support/text.h"
#include "server/store/disk_space.h"
#include "server/store/expiry.h"
#include "server/store/expiry_filter.h"
#include "server/store/reclaimer.h"
#include "server/store/recovery_check.h"
#include "server/store/replay_progress.h"
#include "server/store/rocks_options.h"
#include "server/store/rocks_status.h"
#include "server/store/table_check.h"
#include "server/store/table_cuts.h"
#include "server/store/watched_files.h"

namespace treadle::store {
namespace {

constexpr size_t kScanReadaheadBytes = 2 << 20;
// Values of up to 256 MiB: few at a time. RocksDB looks 32 keys up at once.
constexpr size_t kGetAtOnce = 32;

// Rows in memory: those that come, and two batches of them on their way to tables.
constexpr int64_t kMemtables = 3;

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

RocksStoreOptions FitToDisk(RocksStoreOptions options, const DataDirectory& directory) {
  const DiskShares shares = DiskShares::Of({.memtable_bytes = options.memtable_bytes,
                                            .ballast_bytes = options.ballast_bytes,
                                            .free_bytes_min = options.free_bytes_min,
                                            .outcome_bytes_min = options.outcome_bytes_min},
                                           directory.FreeBytes() + directory.UsedBytes());
  options.memtable_bytes = shares.memtable_bytes;
  options.ballast_bytes = shares.ballast_bytes;
  options.free_bytes_min = shares.free_bytes_min;
  options.outcome_bytes_min = shares.outcome_bytes_min;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksStore>> RocksStore::Open(const RocksStoreOptions& options,
                                                             const Clock& clock) {
  absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(options.directory);
  if (!directory.ok()) return directory.status();
  const RocksStoreOptions fitting = FitToDisk(options, **directory);
  std::unique_ptr<RocksStore> store(new RocksStore(fitting, clock, *std::move(directory)));
  if (absl::Status status = store->OpenRows(); !status.ok()) return status;
  return store;
}

RocksStore::RocksStore(const RocksStoreOptions& options, const Clock& clock,
                       std::unique_ptr<DataDirectory> directory)
    : options_(options),
      clock_(clock),
      directory_(std::move(directory)),
      expiry_(std::make_unique<ExpiryFilter>(clock)),
      ends_(directory_->synced_path()),
      files_(std::make_shared<WatchedFiles>(ends_, options_.notice)),
      env_(rocksdb::NewCompositeEnv(files_)),
      space_(std::make_shared<DiskSpace>([this] { return directory_->FreeBytes(); },
                                         options.free_bytes_min,
                                         (kMergeTables + 1) * options.memtable_bytes)),
      cuts_(std::make_shared<TableCuts>()),
      ballast_(directory_->ballast_path(), options.ballast_bytes),
      rocks_batch_(std::make_unique<rocksdb::WriteBatch>()),
      gauge_([this] { return directory_->FreeBytes(); }, read_thread_),
      append_time_(clock),
      sync_time_(clock),
      read_time_(clock),
      read_thread_(read_time_) {}

RocksStore::~RocksStore() {
  sync_thread_ = nullptr;
  files_->Unwatch();
  space_->Stop();
  if (db_ != nullptr) rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/false);
  reclaimer_ = nullptr;
  // The next start believes what is on record, or what the log holds: this can't fail it.
  ends_.WriteDurably().IgnoreError();
}

absl::StatusOr<Recovery> RocksStore::ReadRecovery() {
  const absl::StatusOr<std::optional<SyncedEnds::Ends>> synced =
      SyncedEnds::Read(directory_->synced_path());
  if (!synced.ok()) return synced.status();
  absl::StatusOr<Recovery> recovery =
      CheckRecovery(directory_->rows_path(), *synced, directory_->synced_path());
  if (recovery.ok() && !synced->has_value()) {
    recovery->notices.push_back(
        absl::StrCat("'", directory_->synced_path(),
                     "' is missing: whether the write-ahead log has lost its end can't be told"));
  }
  return recovery;
}

absl::Status RocksStore::OpenRows() {
  const bool is_new = !directory_->has_format();
  Recovery recovery;
  if (!is_new) {
    absl::StatusOr<Recovery> checked = ReadRecovery();
    if (!checked.ok()) return checked.status();
    recovery = *std::move(checked);
    for (const std::string& notice : recovery.notices) {
      if (options_.notice != nullptr) options_.notice(notice);
    }
  }
  if (absl::Status status = MakeRoom(recovery); !status.ok()) return status;
  replay_progress_ = std::make_unique<ReplayProgress>(recovery.log_bytes, options_.progress);
  rocksdb::Options rocks = RocksOptions(options_);
  rocks.env = env_.get();
  rocks.create_if_missing = is_new;
  rocks.compaction_filter = expiry_.get();
  rocks.wal_filter = replay_progress_.get();
  rocks.listeners.push_back(space_);
  rocks.sst_partitioner_factory = cuts_;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(rocks, directory_->rows_path(), &db);
  if (!opened.ok()) {
    absl::Status error = RocksError(opened, directory_->path());
    if (!absl::IsDataLoss(error)) return error;
    absl::Status damaged_table = CheckTables(directory_->rows_path(), recovery.manifest, rocks);
    return damaged_table.ok() ? error : damaged_table;
  }
  db_.reset(db);
  if (is_new && db_->GetLatestSequenceNumber() != 0) {
    return absl::DataLossError(
        absl::StrCat("data directory '", directory_->path(),
                     "' holds rows but has lost its FORMAT: restore it from a backup"));
  }
  if (absl::Status status = ends_.Begin(); !status.ok()) return status;
  files_->Watch([this](const rocksdb::Status& status) {
    Fail(RocksError(status, directory_->path())).IgnoreError();
  });
  BeginReclaiming();
  return is_new ? directory_->WriteFormat() : absl::OkStatus();
}

// What is read back from the logs moves to tables before the logs are deleted. Tables and logs that
// nobody names are what a process left that was stopped in the midst of a compaction: hundreds of
// MiB, maybe, that RocksDB deletes only afterwards.
absl::Status RocksStore::MakeRoom(const Recovery& recovery) {
  if (!directory_->has_format()) return CheckSpace(0);
  const int64_t needed = recovery.log_bytes + options_.free_bytes_min;
  ballast_.Adjust(directory_->FreeBytes(), needed);
  if (directory_->FreeBytes() >= needed) return absl::OkStatus();
  if (absl::Status status = DeleteUnnamed(directory_->rows_path(), recovery.manifest);
      !status.ok()) {
    return status;
  }
  const int64_t free_bytes = directory_->FreeBytes();
  if (free_bytes >= recovery.log_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "data directory '", directory_->path(), "' is on a full disk: ", free_bytes,
      " bytes are free, and ", recovery.log_bytes,
      " are needed to move what is in the write-ahead log to tables: free some space, then start "
      "again: nothing is lost"));
}

void RocksStore::BeginReclaiming() {
  space_->Measure(*db_);
  reclaimer_ = std::make_unique<Reclaimer>(
      Reclaimer::Needs{.free_bytes = [this] { return BesideNeeds(directory_->FreeBytes()); },
                       .keep_free_bytes = options_.keep_free_bytes,
                       .disk_bytes = directory_->FreeBytes() + directory_->UsedBytes(),
                       .changes = [this] { return changes_.load(); },
                       .begin_tables = [this] { return SwitchLog(/*wait=*/false); }},
      *db_, *space_, *cuts_, static_cast<uint64_t>(options_.memtable_bytes));
  // Too little even for the rows of the start: what can be had is had first.
  if (directory_->FreeBytes() < 2 * options_.free_bytes_min) reclaimer_->Pass();
  reclaimer_->Start();
}

absl::StatusOr<Sequence> RocksStore::Append(const WriteBatch& batch) {
  const BusyTime::Span busy(append_time_);
  if (absl::Status status = Failure(); !status.ok()) return status;
  if (batch.empty()) return appended_.fetch_add(1) + 1;
  rocks_batch_->Clear();
  rocksdb::Status status;
  for (size_t i = 0; i < batch.size(); ++i) {
    const WriteBatch::Change change = batch[i];
    if (change.value.has_value()) {
      TREADLE_ASSERT(HasExpiryPrefix(*change.value));
      status = rocks_batch_->Put(ToSlice(change.key), ToSlice(*change.value));
    } else {
      // Not the last one: a row and its SingleDelete that meet in a table leave no trace, and the
      // MANIFEST's last sequence number would be that of an earlier batch (CheckRecovery).
      const bool is_last = i + 1 == batch.size();
      status = change.put_once && !is_last ? rocks_batch_->SingleDelete(ToSlice(change.key))
                                           : rocks_batch_->Delete(ToSlice(change.key));
    }
    if (!status.ok()) return Fail(RocksError(status, directory_->path()));
  }
  const auto bytes = static_cast<int64_t>(rocks_batch_->GetDataSize());
  if (absl::Status enough = CheckSpace(bytes); !enough.ok()) return Fail(std::move(enough));
  const std::lock_guard lock(log_mutex_);
  if (log_bytes_ > 0 && log_bytes_ + bytes > options_.memtable_bytes) {
    if (absl::Status switched = SwitchLogLocked(/*wait=*/false); !switched.ok()) {
      return Fail(std::move(switched));
    }
  }
  // Counting this thread's comparisons, as RocksDB does unasked, is a tenth of a write.
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  status = db_->Write(rocksdb::WriteOptions(), rocks_batch_.get());
  if (!status.ok()) {
    const std::lock_guard after_sync(sync_mutex_);  // it may be what failed, and knows why
    return Fail(RocksError(status, directory_->path()));
  }
  log_bytes_ += bytes;
  changes_ += batch.size();
  return appended_.fetch_add(1) + 1;
}

absl::Status RocksStore::CheckSpace(int64_t batch_bytes) {
  ballast_.Adjust(directory_->FreeBytes(), 2 * options_.free_bytes_min);
  const int64_t free_bytes = directory_->FreeBytes();
  if (free_bytes >= options_.free_bytes_min + batch_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "data directory '", directory_->path(), "' is on a full disk (", free_bytes, " bytes free, ",
      options_.free_bytes_min + batch_bytes, " needed): free some space, then start again"));
}

absl::Status RocksStore::SwitchLog(bool wait) {
  const std::lock_guard lock(log_mutex_);
  return SwitchLogLocked(wait);
}

// The old log is synced first. Otherwise a power cut could take its tail and leave the new one's
// head: batches without those before them.
absl::Status RocksStore::SwitchLogLocked(bool wait) {
  rocksdb::FlushOptions flush;
  flush.wait = wait;
  flush.allow_write_stall = true;
  rocksdb::Status status = db_->SyncWAL();
  if (status.ok()) status = db_->Flush(flush);
  if (!status.ok()) return RocksError(status, directory_->path());
  log_bytes_ = 0;
  return ends_.Write();
}

void RocksStore::SetOnSynced(std::function<void(absl::StatusOr<Sequence>)> on_synced) {
  sync_thread_ = std::make_unique<SyncThread>([this] { return Sync(); }, std::move(on_synced));
}

void RocksStore::RequestSync() {
  TREADLE_ASSERT(sync_thread_ != nullptr);
  sync_thread_->Request();
}

void RocksStore::RequestSyncHere() {
  TREADLE_ASSERT(sync_thread_ != nullptr);
  sync_thread_->RequestHere();
}

absl::StatusOr<Sequence> RocksStore::Sync() {
  const Sequence appended = appended_;
  if (appended == synced_) return appended;
  const BusyTime::Span busy(sync_time_);
  const std::lock_guard lock(sync_mutex_);
  if (const rocksdb::Status status = db_->SyncWAL(); !status.ok()) {
    return Fail(RocksError(status, directory_->path()));
  }
  if (absl::Status status = ends_.Write(); !status.ok()) return Fail(std::move(status));
  synced_ = appended;
  return appended;
}

absl::Status RocksStore::Fail(absl::Status status) {
  {
    const std::lock_guard lock(failure_mutex_);
    if (failure_.ok()) failure_ = std::move(status);
    status = failure_;
  }
  if (options_.on_failure != nullptr) options_.on_failure(status);
  return status;
}

absl::Status RocksStore::Failure() {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

absl::StatusOr<std::string> RocksStore::Get(std::string_view key) {
  std::string value;
  const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), ToSlice(key), &value);
  if (!status.ok() && !status.IsNotFound()) return RocksError(status, directory_->path());
  if (status.IsNotFound() || Expired(value, clock_.NowMs())) {
    return absl::NotFoundError(absl::StrCat("no row '", absl::CHexEscape(Absl(key)), "'"));
  }
  return value;
}

absl::Status RocksStore::GetMany(absl::Span<const std::string> keys, VisitFound visit) {
  std::array<rocksdb::Slice, kGetAtOnce> slices;
  std::array<rocksdb::PinnableSlice, kGetAtOnce> values;
  std::array<rocksdb::Status, kGetAtOnce> statuses;
  const int64_t now_ms = clock_.NowMs();
  for (size_t first = 0; first < keys.size(); first += kGetAtOnce) {
    const absl::Span<const std::string> some = keys.subspan(first, kGetAtOnce);
    std::transform(some.begin(), some.end(), slices.begin(), ToSlice);
    db_->MultiGet(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), some.size(), slices.data(),
                  values.data(), statuses.data());
    for (size_t i = 0; i < some.size(); ++i) {
      if (!statuses[i].ok() && !statuses[i].IsNotFound()) {
        return RocksError(statuses[i], directory_->path());
      }
      std::optional<std::string_view> value;
      if (statuses[i].ok()) value = values[i].ToStringView();
      if (value.has_value() && Expired(*value, now_ms)) value.reset();
      if (!visit(first + i, value)) return absl::OkStatus();
      values[i].Reset();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> RocksStore::Scan(std::string_view begin,
                                                            std::string_view end, size_t rows_max,
                                                            VisitRow visit) {
  const int64_t now_ms = clock_.NowMs();
  const rocksdb::Slice upper_bound = ToSlice(end);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &upper_bound;
  read.fill_cache = false;
  read.readahead_size = kScanReadaheadBytes;
  const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(read));
  bool more = true;
  for (row->Seek(ToSlice(begin)); row->Valid(); row->Next(), --rows_max) {
    if (!more || rows_max == 0) return row->key().ToString();
    const std::string_view value = row->value().ToStringView();
    if (!Expired(value, now_ms)) more = visit(row->key().ToStringView(), value);
  }
  if (!row->status().ok()) return RocksError(row->status(), directory_->path());
  return std::nullopt;
}

absl::StatusOr<std::optional<std::string>> RocksStore::ScanBack(std::string_view begin,
                                                                std::string_view end,
                                                                size_t rows_max, VisitRow visit) {
  const int64_t now_ms = clock_.NowMs();
  const rocksdb::Slice lower_bound = ToSlice(begin);
  const rocksdb::Slice upper_bound = ToSlice(end);
  rocksdb::ReadOptions read;
  read.iterate_lower_bound = &lower_bound;
  read.iterate_upper_bound = &upper_bound;
  read.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(read));
  std::string next_end(end);
  bool more = true;
  for (row->SeekToLast(); row->Valid(); row->Prev(), --rows_max) {
    if (!more || rows_max == 0) return next_end;
    next_end.assign(row->key().data(), row->key().size());
    const std::string_view value = row->value().ToStringView();
    if (!Expired(value, now_ms)) more = visit(next_end, value);
  }
  if (!row->status().ok()) return RocksError(row->status(), directory_->path());
  return std::nullopt;
}

void RocksStore::ReadLater(Urgency urgency, absl::AnyInvocable<void()> read) {
  read_thread_.Add(urgency == Urgency::kWork, std::move(read));
}

int64_t RocksStore::FreeBytes() { return BesideNeeds(gauge_.Read()); }

// What is in memory takes room in tables of level 0 first, and then as much again for the
// compaction that takes all of these.
int64_t RocksStore::BesideNeeds(int64_t device_free_bytes) const {
  const int64_t needed = space_->compaction_bytes() + 2 * kMemtables * options_.memtable_bytes +
                         options_.free_bytes_min + options_.outcome_bytes_min;
  return std::max<int64_t>(0, device_free_bytes - needed);
}

std::optional<int64_t> RocksStore::BusySinceMs() const {
  const int64_t since_ms =
      std::min({append_time_.since_ms(), sync_time_.since_ms(), read_time_.since_ms()});
  return since_ms == BusyTime::kIdle ? std::nullopt : std::optional(since_ms);
}

std::optional<DiskFigures> RocksStore::Figures() const {
  const auto property = [this](const std::string& name) {
    uint64_t value = 0;
    db_->GetIntProperty(name, &value);
    return static_cast<int64_t>(value);
  };
  using Properties = rocksdb::DB::Properties;
  return DiskFigures{
      .table_bytes = property(Properties::kTotalSstFilesSize),
      .log_bytes = log_bytes_,
      .memtable_bytes = property(Properties::kSizeAllMemTables),
      .block_cache_bytes = property(Properties::kBlockCacheUsage),
      .compaction_pending_bytes = property(Properties::kEstimatePendingCompactionBytes),
      .compactions = property(Properties::kNumRunningCompactions),
      .disk_free_bytes = gauge_.bytes(),
  };
}

absl::Status RocksStore::Compact() {
  if (absl::Status status = SwitchLog(/*wait=*/true); !status.ok()) return status;
  rocksdb::CompactRangeOptions compact;
  compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  const rocksdb::Status status = db_->CompactRange(compact, nullptr, nullptr);
  return status.ok() ? absl::OkStatus() : RocksError(status, directory_->path());
}

}  // namespace treadle::store
