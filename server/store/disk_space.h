#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "rocksdb/db.h"
#include "rocksdb/listener.h"

namespace treadle::store {

// The level that RocksDB merges level 0 into: empty, or the first one that is not.
int BaseLevel(rocksdb::DB& db);

// Sizes that a small disk asks for, so that most of it holds rows.
struct DiskShares {
  int64_t memtable_bytes = 0;
  int64_t ballast_bytes = 0;
  int64_t free_bytes_min = 0;
  int64_t outcome_bytes_min = 0;

  // No more than `wanted`, each, and no more than its share of `disk_bytes`: what the store holds
  // and what is free.
  static DiskShares Of(const DiskShares& wanted, int64_t disk_bytes);
};

// Keeps RocksDB's compactions within the space that is there. A compaction writes its rows anew
// before it deletes their old files, so it needs about what it reads; when it meets a full disk,
// all ends. So one begins only when there is room for it and for what others need meanwhile, and
// waits otherwise; and what the next one may need is counted, so that the space for it is not given
// to new rows.
//
// Called by RocksDB's threads and the store's.
class DiskSpace final : public rocksdb::EventListener {
 public:
  // `device_free_bytes`: what is free on the device; any thread. `headroom_bytes`: stays free
  // beside compactions. `merge_bytes`: what a merge of tables below level 0 needs.
  DiskSpace(std::function<int64_t()> device_free_bytes, int64_t headroom_bytes,
            int64_t merge_bytes);

  // What the largest compaction that may come next needs.
  int64_t compaction_bytes() const { return compaction_bytes_; }
  // Counts the tables. After the store was opened; later it does so by itself.
  void Measure(rocksdb::DB& db);

  // Room for a compaction of `bytes` beside those of RocksDB's that wait for it; false: there is
  // none. Until Release. A waiting one that there is room for goes first: RocksDB deletes no file
  // that was made after it had begun, so that what others give back meanwhile stays on the disk.
  bool TryReserve(int64_t bytes);
  void Release(int64_t bytes);
  // From now on nobody waits.
  void Stop();

  void OnFlushCompleted(rocksdb::DB* db, const rocksdb::FlushJobInfo& job) override;
  void OnCompactionBegin(rocksdb::DB* db, const rocksdb::CompactionJobInfo& job) override;
  void OnCompactionCompleted(rocksdb::DB* db, const rocksdb::CompactionJobInfo& job) override;

 private:
  // REQUIRES: mutex_ is held.
  bool HasRoom(int64_t bytes) const {
    return device_free_bytes_() >= reserved_bytes_ + bytes + headroom_bytes_;
  }

  const std::function<int64_t()> device_free_bytes_;
  const int64_t headroom_bytes_;
  const int64_t merge_bytes_;
  std::atomic<int64_t> compaction_bytes_;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  bool stopped_ = false;
  std::multiset<int64_t> waiting_bytes_;  // of compactions that wait for room
  int64_t reserved_bytes_ = 0;
  std::map<int, int64_t> reserved_by_job_;
};

}  // namespace treadle::store
