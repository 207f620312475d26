#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "rocksdb/db.h"

#include "server/store/disk_space.h"
#include "server/store/table_cuts.h"

namespace treadle::store {

// Gives back the space of what is dead (rows that were overwritten, deleted or have expired) when
// space is short: RocksDB by itself merges tables when new ones have come, and rows that end come
// in few.
//
// Once space is scarce (an eighth of the disk is left, or less), it makes a pass over the tables
// if an eighth of the rows has changed since the last one, or any when no space is left; and rests.
// Another one while that pays (the last gave back a twentieth, or lacked room, or met a table that
// RocksDB was merging), until a quarter of what the tables hold is free again. When no space is
// left and nothing changes, because nothing can be submitted, rows expire all the same: it looks
// for them after half a minute, and twice as long each time that this was in vain, up to an hour.
class Reclaimer {
 public:
  struct Needs {
    // What is free, and how much of it is not for rows. Any thread, here and below.
    std::function<int64_t()> free_bytes;
    int64_t keep_free_bytes = 0;
    // What the store holds and what is free.
    int64_t disk_bytes = 0;
    // Of rows, so far.
    std::function<uint64_t()> changes;
    // Begins to write every row of now to tables: what they overwrite is dead there only then. Does
    // not wait for it.
    std::function<absl::Status()> begin_tables;
  };

  // All outlive it. `cuts`: of the database's options.
  Reclaimer(Needs needs, rocksdb::DB& db, DiskSpace& space, TableCuts& cuts, uint64_t table_bytes);
  // Waits for the table at hand.
  ~Reclaimer();

  // From now on it does so by itself, on a thread of its own.
  void Start();

  // Merges each table once into the level below, the last level's into themselves if they are old,
  // one after the other, those for which there is room. Before Start.
  void Pass();

 private:
  using Tables = std::vector<rocksdb::SstFileMetaData>;

  using Time = std::chrono::steady_clock::time_point;

  void Run();
  bool IsDue(Time now);
  bool MoveToTables();
  void PassLevel(int level, int below);
  void SplitWide(int level, const Tables& below);
  // `bytes`: the room that it needs.
  void Merge(const Tables& tables, int into_level, int64_t bytes);

  const Needs needs_;
  rocksdb::DB& db_;
  DiskSpace& space_;
  TableCuts& cuts_;
  const uint64_t table_bytes_;

  // The thread's.
  bool reclaiming_ = false;
  bool pays_ = false;
  bool unfinished_ = false;  // the last pass: no room, or RocksDB was merging the same
  uint64_t changes_seen_ = 0;
  Time idle_until_;  // without changes

  std::mutex mutex_;
  std::condition_variable stopping_changed_;
  std::atomic<bool> stopping_ = false;  // changed under mutex_
  std::thread thread_;                  // last: it uses the rest
};

}  // namespace treadle::store
