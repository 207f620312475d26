#include "server/store/replay_progress.h"

#include <utility>

#include "rocksdb/write_batch.h"

namespace treadle::store {
ReplayProgress::ReplayProgress(int64_t bytes_total, std::function<void(int64_t, int64_t)> progress,
                               std::chrono::milliseconds interval)
    : bytes_total_(bytes_total),
      progress_(std::move(progress)),
      interval_(interval),
      told_at_(std::chrono::steady_clock::now()) {}

rocksdb::WalFilter::WalProcessingOption ReplayProgress::LogRecordFound(
    unsigned long long, const std::string&, const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
    bool*) {
  bytes_done_ += static_cast<int64_t>(batch.GetDataSize());
  const auto now = std::chrono::steady_clock::now();
  if (progress_ != nullptr && now - told_at_ >= interval_) {
    told_at_ = now;
    progress_(bytes_done_, bytes_total_);
  }
  return WalProcessingOption::kContinueProcessing;
}

}  // namespace treadle::store
