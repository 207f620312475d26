#pragma once

#include <cstdint>

#include "rocksdb/options.h"

#include "server/store/rocks_store.h"

namespace treadle::store {

// One merge takes a table and no more than so many tables' bytes of the level below: that bounds
// the space that it needs (DiskSpace counts what level 0 takes).
inline constexpr int64_t kMergeTables = 4;

// How RocksDB is set up for rows: small ones, written far more often than read, most of them
// overwritten or deleted within minutes.
rocksdb::Options RocksOptions(const RocksStoreOptions& options);

}  // namespace treadle::store
