#include "server/store/rocks_options.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"

namespace treadle::store {
namespace {

constexpr uint64_t kSecondsPerDay = 86'400;

rocksdb::CompressionType Compression() {
  const std::vector<rocksdb::CompressionType> known = rocksdb::GetSupportedCompressions();
  const bool has_lz4 =
      std::find(known.begin(), known.end(), rocksdb::kLZ4Compression) != known.end();
  return has_lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

rocksdb::BlockBasedTableOptions TableOptions(const RocksStoreOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(static_cast<size_t>(options.block_cache_bytes));
  // Most lookups are of request keys that were never used: 1 % of them cost a read.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  table.block_size = 16 << 10;
  // Filters and indexes lie in the cache, so within its bound; and in pieces of a few KiB, which
  // find room there. Whole ones have a megabyte for a table: more than a shard of the cache keeps,
  // so each lookup would read them anew.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.metadata_block_size = 4 << 10;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_top_level_index_and_filter = true;
  return table;
}

}  // namespace

rocksdb::Options RocksOptions(const RocksStoreOptions& options) {
  const auto memtable_bytes = static_cast<size_t>(options.memtable_bytes);
  rocksdb::Options rocks;
  rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(options)));

  // Recovery. The default mode takes a damaged record for the end of the log, in silence.
  rocks.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  rocks.paranoid_checks = true;
  // What was read back from a log that may never have been synced must not stay in that log: a sync
  // of the next log would not reach it.
  rocks.avoid_flush_during_recovery = false;
  rocks.skip_stats_update_on_db_open = true;
  // After an error the process stops; nothing is tried again behind its back.
  rocks.max_bgerror_resume_count = 0;

  // RocksStore begins each new log itself, when the old one is synced (SwitchLog): RocksDB, which
  // does not wait for that, must not come first. Its memtable counts its index, too.
  rocks.write_buffer_size = 4 * memtable_bytes;
  rocks.max_write_buffer_number = 3;
  // With one column family this bounds nothing but the space that a log takes in advance.
  rocks.max_total_wal_size = memtable_bytes + memtable_bytes / 8;
  // A used log's bytes would look like records of the new one's damaged tail.
  rocks.recycle_log_file_num = 0;
  rocks.manifest_preallocation_size = 64 << 10;
  rocks.max_manifest_file_size = 64 << 20;
  // One thread writes.
  rocks.allow_concurrent_memtable_write = false;
  rocks.enable_write_thread_adaptive_yield = false;
  // Keys of one kind (their first byte) mostly grow: the next one's place is looked for beside the
  // last one's. Saves a third of an append.
  rocks.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));

  rocks.compaction_style = rocksdb::kCompactionStyleLevel;
  rocks.level_compaction_dynamic_level_bytes = true;
  rocks.target_file_size_base = memtable_bytes;
  rocks.max_bytes_for_level_base = 4 * memtable_bytes;
  rocks.max_compaction_bytes = kMergeTables * memtable_bytes;
  // Rows in level 0 are rewritten soon: not worth compressing.
  rocks.compression_per_level = {rocksdb::kNoCompression, Compression()};
  // Every file is rewritten at least that often, so that expired values go even where nothing new
  // comes.
  rocks.periodic_compaction_seconds = kSecondsPerDay;
  rocks.max_background_jobs = 2;
  rocks.bytes_per_sync = 1 << 20;
  rocks.max_open_files = static_cast<int>(options.table_files_max);

  rocks.max_log_file_size = 4 << 20;
  rocks.keep_log_file_num = 4;
  rocks.stats_dump_period_sec = 0;
  rocks.stats_persist_period_sec = 0;
  return rocks;
}

}  // namespace treadle::store
