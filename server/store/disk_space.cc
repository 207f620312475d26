#include "server/store/disk_space.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

namespace treadle::store {
namespace {

// A memtable of a 128th: what is in memory and on its way to tables, and the levels that
// compactions merge at a time, which are multiples of it, come to an eighth or so.
constexpr int64_t kMemtableShare = 128;
constexpr int64_t kMemtableBytesMin = int64_t{4} << 20;
constexpr int64_t kBallastShare = 64;
constexpr int64_t kFreeShare = 64;
constexpr int64_t kFreeBytesMin = int64_t{4} << 20;
constexpr int64_t kOutcomeShare = 32;
constexpr auto kLookAgainAfter = std::chrono::milliseconds(200);
constexpr auto kTakesItsRoomWithin = 10 * kLookAgainAfter;

int64_t InputBytes(const rocksdb::CompactionJobInfo& job) {
  int64_t bytes = 0;
  for (const std::string& path : job.input_files) {
    std::error_code gone;
    const uintmax_t size = std::filesystem::file_size(path, gone);
    if (!gone) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

}  // namespace

int BaseLevel(rocksdb::DB& db) {
  uint64_t level = 0;
  db.GetIntProperty(rocksdb::DB::Properties::kBaseLevel, &level);
  return static_cast<int>(level);
}

DiskShares DiskShares::Of(const DiskShares& wanted, int64_t disk_bytes) {
  const int64_t memtable = std::max(kMemtableBytesMin, disk_bytes / kMemtableShare);
  return {.memtable_bytes = std::min(wanted.memtable_bytes, memtable),
          .ballast_bytes = std::min(wanted.ballast_bytes, disk_bytes / kBallastShare),
          .free_bytes_min =
              std::min(wanted.free_bytes_min, std::max(kFreeBytesMin, disk_bytes / kFreeShare)),
          .outcome_bytes_min = std::min(wanted.outcome_bytes_min, disk_bytes / kOutcomeShare)};
}

DiskSpace::DiskSpace(std::function<int64_t()> device_free_bytes, int64_t headroom_bytes,
                     int64_t merge_bytes)
    : device_free_bytes_(std::move(device_free_bytes)),
      headroom_bytes_(headroom_bytes),
      merge_bytes_(merge_bytes),
      compaction_bytes_(merge_bytes) {}

// All of level 0 goes into one level; of the others one compaction takes no more than is said.
void DiskSpace::Measure(rocksdb::DB& db) {
  rocksdb::ColumnFamilyMetaData tables;
  db.GetColumnFamilyMetaData(&tables);
  const uint64_t bytes =
      tables.levels.at(0).size + tables.levels.at(static_cast<size_t>(BaseLevel(db))).size;
  compaction_bytes_ = std::max(merge_bytes_, static_cast<int64_t>(bytes));
}

bool DiskSpace::TryReserve(int64_t bytes) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kTakesItsRoomWithin, [this] {
    return stopped_ || waiting_bytes_.empty() || !HasRoom(*waiting_bytes_.begin());
  });
  if (!HasRoom(bytes)) return false;
  reserved_bytes_ += bytes;
  return true;
}

void DiskSpace::Release(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  reserved_bytes_ -= bytes;
}

void DiskSpace::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

void DiskSpace::OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo&) { Measure(*db); }

// On the thread of the compaction, which is picked and has written nothing yet.
void DiskSpace::OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo& job) {
  const int64_t bytes = InputBytes(job);
  std::unique_lock lock(mutex_);
  const auto waiting = waiting_bytes_.insert(bytes);
  while (!stopped_ && !HasRoom(bytes)) changed_.wait_for(lock, kLookAgainAfter);
  waiting_bytes_.erase(waiting);
  changed_.notify_all();
  if (stopped_) return;
  reserved_bytes_ += bytes;
  reserved_by_job_[job.job_id] += bytes;
}

void DiskSpace::OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo& job) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto reserved = reserved_by_job_.find(job.job_id);
        reserved != reserved_by_job_.end()) {
      reserved_bytes_ -= reserved->second;
      reserved_by_job_.erase(reserved);
    }
  }
  Measure(*db);
}

}  // namespace treadle::store
