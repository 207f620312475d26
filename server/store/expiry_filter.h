#pragma once

#include <string>

#include "rocksdb/compaction_filter.h"

#include "proto/support/clock.h"

namespace treadle::store {

// Drops expired values when RocksDB rewrites the files that hold them. An older value of the key in
// a deeper file does not come back: RocksDB leaves a delete in the dropped value's place. Called by
// RocksDB's threads.
class ExpiryFilter final : public rocksdb::CompactionFilter {
 public:
  // `clock` outlives the filter.
  explicit ExpiryFilter(const Clock& clock) : clock_(clock) {}

  const char* Name() const override { return "treadle.expiry"; }
  bool Filter(int level, const rocksdb::Slice& key, const rocksdb::Slice& value,
              std::string* new_value, bool* value_changed) const override;

 private:
  const Clock& clock_;
};

}  // namespace treadle::store
