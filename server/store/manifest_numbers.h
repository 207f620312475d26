#pragma once

#include <cstdint>
#include <string_view>

namespace treadle::store {

// What a MANIFEST says of the write-ahead logs: which of them recovery reads, and what is already
// in tables. (RocksDB: VersionEdit::EncodeTo, which writes these numbers before its lists of files;
// VersionEditHandler, which reads them.) A log that is no longer needed may still be there: RocksDB
// deletes them behind, the newest first, and keeps an empty one longer than it must.
//
// For stores of one column family, as Treadle's are.
struct ManifestNumbers {
  uint64_t first_log = 0;      // recovery reads the logs from this number on
  uint64_t last_sequence = 0;  // of the changes in tables; a later one is in those logs

  // Takes what one of the MANIFEST's records says, in their order. `head`: its first
  // kRecordHeadBytes, or all of it.
  void Take(std::string_view head);
};

}  // namespace treadle::store
