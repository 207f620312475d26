#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "server/store/manifest.h"
#include "server/store/synced_ends.h"

namespace treadle::store {

// What the next start will find in RocksDB's directory.
struct Recovery {
  Manifest manifest;
  int64_t log_bytes = 0;             // of the write-ahead logs that are read back
  std::vector<std::string> notices;  // what an operator should know: a log's torn end
};

// RocksDB's recovery loses rows in silence where a damaged log looks like one that ends early: a
// flipped bit in a length near its end, a page of zeros, a log cut short before a newer one. So
// what it would recover from is read here first, and opened only when what is missing can never
// have been acknowledged.
//
// Checks the files in RocksDB's `directory`: the MANIFEST that CURRENT names, the tables that it
// names, by their sizes, and that the write-ahead logs (NNNNNN.log) which recovery would read hold
// one unbroken run of batches, that begins where the tables end, and reach as far as they are on
// record to have been synced (`synced`, from the file `record_path`; absent: there is no record).
// Older logs and files that the MANIFEST does not name are not read: they need not even be whole.
//
// DATA_LOSS names the file that is damaged, the offset and the way out; one that gives something up
// only where all else is sound, with what it costs. Costs one read of those logs.
absl::StatusOr<Recovery> CheckRecovery(const std::string& directory,
                                       const std::optional<SyncedEnds::Ends>& synced,
                                       const std::string& record_path);

// Deletes the tables that the MANIFEST does not name, and the logs before those that are read back.
// REQUIRES: `manifest` is what CheckRecovery found.
absl::Status DeleteUnnamed(const std::string& directory, const Manifest& manifest);

// The name of a table's file in RocksDB's directory.
std::string TableName(uint64_t number);
// The number in "000012.log" for the ending ".log"; absent: not such a name.
std::optional<uint64_t> NumberOf(std::string_view name, std::string_view ending);

}  // namespace treadle::store
