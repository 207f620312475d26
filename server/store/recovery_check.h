#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace treadle::store {

// RocksDB's recovery loses rows in silence where a damaged log looks like one that ends early: a
// flipped bit in a length near its end, a page of zeros, a log cut short before a newer one. So
// what it would recover from is read here first, and opened only when what is missing can never
// have been acknowledged.
//
// Checks the files in RocksDB's `directory`: the MANIFEST that CURRENT names, and that the
// write-ahead logs (NNNNNN.log) which recovery would read hold one unbroken run of batches, that
// begins where the tables end. Older logs are not read: they need not even be whole. Returns the
// size of the others in bytes. DATA_LOSS names the file, the offset and the way out. Costs one read
// of those logs.
absl::StatusOr<int64_t> CheckRecovery(const std::string& directory);

}  // namespace treadle::store
