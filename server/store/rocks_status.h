#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/status.h"

namespace treadle::store {

// A RocksDB error about the store in `directory` as one of ours: no rights PERMISSION_DENIED, no
// space RESOURCE_EXHAUSTED, in use FAILED_PRECONDITION; what is damaged, missing or unreadable
// DATA_LOSS, with RocksDB's words, which name the file. REQUIRES: !status.ok().
absl::Status RocksError(const rocksdb::Status& status, std::string_view directory);

}  // namespace treadle::store
