#pragma once

#include <string>

#include "absl/status/status.h"
#include "rocksdb/options.h"

#include "server/store/manifest.h"

namespace treadle::store {

// RocksDB blames its MANIFEST when it cannot open a file of rows. Finds that file: DATA_LOSS with
// its name when one of the MANIFEST's tables in `directory` does not open. OK: they all do.
absl::Status CheckTables(const std::string& directory, const Manifest& manifest,
                         const rocksdb::Options& options);

}  // namespace treadle::store
