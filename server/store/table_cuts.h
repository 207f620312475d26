#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rocksdb/sst_partitioner.h"

namespace treadle::store {

// Where the tables of a merge are to end, beside their size: RocksDB cuts a table at its blocks at
// best, so one of a few small rows stays whole however far they lie apart.
//
// Called by RocksDB's threads and the store's.
class TableCuts final : public rocksdb::SstPartitionerFactory {
 public:
  // From now on a table that is made for `level` ends before each of the keys, which are in order.
  void Set(int level, std::vector<std::string> keys);
  void Clear() { Set(0, {}); }

  const char* Name() const override { return "treadle.TableCuts"; }
  std::unique_ptr<rocksdb::SstPartitioner> CreatePartitioner(
      const rocksdb::SstPartitioner::Context& context) const override;

 private:
  mutable std::mutex mutex_;
  int level_ = 0;
  std::shared_ptr<const std::vector<std::string>> keys_;
};

}  // namespace treadle::store
