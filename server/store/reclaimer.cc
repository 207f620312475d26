#include "server/store/reclaimer.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "proto/support/thread_name.h"
#include "server/store/rocks_options.h"

namespace treadle::store {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr auto kLookAtTablesEvery = std::chrono::milliseconds(20);
constexpr int kRestShare = 4;  // as many times as it worked
constexpr auto kRestMin = std::chrono::seconds(1);
constexpr auto kRestMax = std::chrono::seconds(30);
constexpr auto kIdleMax = std::chrono::hours(1);
// Of a last level's table: only what has expired since it was written is dead there.
constexpr uint64_t kAgeSecondsMin = 600;
constexpr uint64_t kPaysShare = 20;    // of the bytes of all tables
constexpr int64_t kScarceShare = 8;    // of the disk
constexpr uint64_t kPlentyShare = 4;   // of the bytes of all tables
constexpr uint64_t kChangesShare = 8;  // of their rows

using Tables = std::vector<rocksdb::SstFileMetaData>;

Tables TablesOf(rocksdb::DB& db, int level) {
  rocksdb::ColumnFamilyMetaData all;
  db.GetColumnFamilyMetaData(&all);
  return all.levels[static_cast<size_t>(level)].files;
}

struct Size {
  uint64_t bytes = 0;
  uint64_t rows = 0;
};

// Of all tables.
Size SizeOf(rocksdb::DB& db) {
  rocksdb::ColumnFamilyMetaData all;
  db.GetColumnFamilyMetaData(&all);
  Size size;
  for (const rocksdb::LevelMetaData& level : all.levels) {
    for (const rocksdb::SstFileMetaData& table : level.files) {
      size.bytes += table.size;
      size.rows += table.num_entries;
    }
  }
  return size;
}

bool IsOld(const rocksdb::SstFileMetaData& table) {
  const auto now = static_cast<uint64_t>(absl::ToUnixSeconds(absl::Now()));
  return table.file_creation_time + kAgeSecondsMin <= now;
}

bool Overlap(const rocksdb::SstFileMetaData& a, const rocksdb::SstFileMetaData& b) {
  return a.smallestkey <= b.largestkey && b.smallestkey <= a.largestkey;
}

// Those, and what they overlap in the level that they go to.
int64_t BytesOfMerge(const Tables& tables, const Tables& into) {
  int64_t bytes = 0;
  for (const auto& table : tables) bytes += static_cast<int64_t>(table.size);
  for (const auto& other : into) {
    const bool meets = std::any_of(tables.begin(), tables.end(),
                                   [&](const auto& table) { return Overlap(table, other); });
    if (meets) bytes += static_cast<int64_t>(other.size);
  }
  return bytes;
}

}  // namespace

Reclaimer::Reclaimer(Needs needs, rocksdb::DB& db, DiskSpace& space, TableCuts& cuts,
                     uint64_t table_bytes)
    : needs_(std::move(needs)), db_(db), space_(space), cuts_(cuts), table_bytes_(table_bytes) {}

void Reclaimer::Start() {
  thread_ = std::thread([this] { Run(); });
}

Reclaimer::~Reclaimer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopping_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Reclaimer::Run() {
  NameThread("reclaim");
  using Steady = std::chrono::steady_clock;
  Time rests_until;
  // At least; longer after passes that were in vain.
  Steady::duration rest = kRestMin;
  Steady::duration idle = kRestMax;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (stopping_changed_.wait_for(lock, kLookEvery, [this] { return stopping_.load(); })) return;
    }
    const Time began = Steady::now();
    if (began < rests_until || !IsDue(began)) continue;
    const uint64_t changes = needs_.changes();
    if (std::exchange(changes_seen_, changes) != changes && !MoveToTables()) return;
    const uint64_t before = SizeOf(db_).bytes;
    Pass();
    const bool gave_back = SizeOf(db_).bytes < before - before / kPaysShare;
    pays_ = gave_back || unfinished_;
    rest = gave_back ? kRestMin : std::min<Steady::duration>(kRestMax, 2 * rest);
    if (gave_back) idle = kRestMax;
    idle_until_ = Steady::now() + idle;
    idle = std::min<Steady::duration>(kIdleMax, 2 * idle);
    rests_until = Steady::now() + std::clamp<Steady::duration>(kRestShare * (Steady::now() - began),
                                                               rest, kRestMax);
  }
}

// Appends go on meanwhile, so this waits for those rows by itself. False: the store is closed, or
// has failed, and says so itself.
bool Reclaimer::MoveToTables() {
  if (!needs_.begin_tables().ok()) return false;
  std::unique_lock lock(mutex_);
  const auto moved = [this] {
    uint64_t unmoved = 0;
    db_.GetIntProperty(rocksdb::DB::Properties::kNumImmutableMemTable, &unmoved);
    return unmoved == 0;
  };
  while (!stopping_ && !moved()) stopping_changed_.wait_for(lock, kLookAtTablesEvery);
  return !stopping_;
}

bool Reclaimer::IsDue(Time now) {
  const int64_t spare_bytes = needs_.free_bytes() - needs_.keep_free_bytes;
  if (!reclaiming_ && spare_bytes > needs_.disk_bytes / kScarceShare) return false;
  const Size size = SizeOf(db_);
  const bool is_short = spare_bytes <= 0;
  reclaiming_ = is_short || spare_bytes <= static_cast<int64_t>(size.bytes / kPlentyShare);
  const uint64_t changes = needs_.changes() - changes_seen_;
  return reclaiming_ && (pays_ || changes > size.rows / kChangesShare ||
                         (is_short && (changes > 0 || now >= idle_until_)));
}

void Reclaimer::Pass() {
  unfinished_ = false;
  if (const Tables newest = TablesOf(db_, 0); !newest.empty()) {
    const int base = BaseLevel(db_);
    Merge(newest, base, BytesOfMerge(newest, TablesOf(db_, base)));
  }
  rocksdb::ColumnFamilyMetaData all;
  db_.GetColumnFamilyMetaData(&all);
  std::vector<int> levels;  // that hold tables, below level 0
  for (const rocksdb::LevelMetaData& level : all.levels) {
    if (level.level > 0 && !level.files.empty()) levels.push_back(level.level);
  }
  for (size_t i = 0; i < levels.size(); ++i) {
    PassLevel(levels[i], i + 1 < levels.size() ? levels[i + 1] : levels[i]);
  }
}

void Reclaimer::PassLevel(int level, int below) {
  if (level != below) SplitWide(level, TablesOf(db_, below));
  for (const rocksdb::SstFileMetaData& table : TablesOf(db_, level)) {
    if (level == below && !IsOld(table)) continue;
    const Tables into = level == below ? Tables() : TablesOf(db_, below);
    Merge({table}, below, BytesOfMerge({table}, into));
  }
}

// The end of many large rows makes a small table that reaches over all of the level below: merging
// it at once would need as much room as that.
void Reclaimer::SplitWide(int level, const Tables& below) {
  const uint64_t merge_bytes_max = kMergeTables * table_bytes_;
  for (const rocksdb::SstFileMetaData& table : TablesOf(db_, level)) {
    uint64_t bytes = 0;
    std::vector<std::string> ends;
    for (const rocksdb::SstFileMetaData& other : below) {
      if (!Overlap(table, other)) continue;
      if (bytes > 0 && bytes + other.size > merge_bytes_max) {
        ends.push_back(other.smallestkey);
        bytes = 0;
      }
      bytes += other.size;
    }
    if (ends.empty()) continue;
    cuts_.Set(level, std::move(ends));
    Merge({table}, level, static_cast<int64_t>(table.size));
    cuts_.Clear();
  }
}

// A table that RocksDB is merging itself, or has merged meanwhile, is refused.
void Reclaimer::Merge(const Tables& tables, int into_level, int64_t bytes) {
  if (stopping_) return;
  if (!space_.TryReserve(bytes)) {
    unfinished_ = true;
    return;
  }
  std::vector<std::string> names;
  for (const auto& table : tables) names.push_back(table.name);
  rocksdb::CompactionOptions options;
  options.compression = rocksdb::kDisableCompressionOption;  // the level's own
  options.output_file_size_limit = table_bytes_;
  const rocksdb::Status status = db_.CompactFiles(options, names, into_level);
  unfinished_ = unfinished_ || !status.ok();
  space_.Release(bytes);
  space_.Measure(db_);
}

}  // namespace treadle::store
