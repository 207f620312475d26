#include "server/store/table_cuts.h"

#include <algorithm>
#include <utility>

namespace treadle::store {
namespace {

using Keys = std::shared_ptr<const std::vector<std::string>>;

class Partitioner final : public rocksdb::SstPartitioner {
 public:
  explicit Partitioner(Keys keys) : keys_(std::move(keys)) {}

  const char* Name() const override { return "treadle.TableCuts"; }

  rocksdb::PartitionerResult ShouldPartition(const rocksdb::PartitionerRequest& request) override {
    const auto cut = std::upper_bound(
        keys_->begin(), keys_->end(), *request.prev_user_key,
        [](const rocksdb::Slice& key, const std::string& at) { return key.compare(at) < 0; });
    const bool between = cut != keys_->end() && request.current_user_key->compare(*cut) >= 0;
    return between ? rocksdb::kRequired : rocksdb::kNotRequired;
  }

  bool CanDoTrivialMove(const rocksdb::Slice&, const rocksdb::Slice&) override { return true; }

 private:
  const Keys keys_;
};

}  // namespace

void TableCuts::Set(int level, std::vector<std::string> keys) {
  const std::lock_guard lock(mutex_);
  level_ = level;
  keys_ =
      keys.empty() ? nullptr : std::make_shared<const std::vector<std::string>>(std::move(keys));
}

std::unique_ptr<rocksdb::SstPartitioner> TableCuts::CreatePartitioner(
    const rocksdb::SstPartitioner::Context& context) const {
  const std::lock_guard lock(mutex_);
  if (keys_ == nullptr || context.output_level != level_) return nullptr;
  return std::make_unique<Partitioner>(keys_);
}

}  // namespace treadle::store
