#pragma once

#include "rocksdb/options.h"

#include "server/store/rocks_store.h"

namespace treadle::store {

// How RocksDB is set up for rows: small ones, written far more often than read, most of them
// overwritten or deleted within minutes.
rocksdb::Options RocksOptions(const RocksStoreOptions& options);

}  // namespace treadle::store
