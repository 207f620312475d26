#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/status.h"

namespace treadle::store {

// Whether a file could not be opened because the process, or the machine, has no descriptor left.
bool WantsDescriptors(const rocksdb::Status& status);

// A RocksDB error about the store in `directory` as one of ours: no rights PERMISSION_DENIED, no
// space or no descriptors RESOURCE_EXHAUSTED, in use or read-only FAILED_PRECONDITION; what is
// damaged, missing or unreadable DATA_LOSS, with RocksDB's words, which name the file. REQUIRES:
// !status.ok().
absl::Status RocksError(const rocksdb::Status& status, std::string_view directory);

}  // namespace treadle::store
