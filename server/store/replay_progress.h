#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "rocksdb/wal_filter.h"

namespace treadle::store {

// Watches RocksDB read its write-ahead log back, and tells `progress` at each interval how much of
// it is done. Called on the thread that opens the store.
class ReplayProgress final : public rocksdb::WalFilter {
 public:
  ReplayProgress(int64_t bytes_total,
                 std::function<void(int64_t bytes_done, int64_t bytes_total)> progress,
                 std::chrono::milliseconds interval = std::chrono::seconds(1));

  const char* Name() const override { return "treadle.progress"; }
  WalProcessingOption LogRecordFound(unsigned long long log_number,  // NOLINT: RocksDB's type
                                     const std::string& log_file_name,
                                     const rocksdb::WriteBatch& batch,
                                     rocksdb::WriteBatch* new_batch, bool* batch_changed) override;

 private:
  const int64_t bytes_total_;
  const std::function<void(int64_t, int64_t)> progress_;
  const std::chrono::milliseconds interval_;
  int64_t bytes_done_ = 0;
  std::chrono::steady_clock::time_point told_at_;
};

}  // namespace treadle::store
