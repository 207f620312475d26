#pragma once

#include <cstdint>
#include <map>
#include <string_view>

namespace treadle::store {

// What a MANIFEST says: which write-ahead logs recovery reads, what is already in tables, and which
// tables there are. (RocksDB: VersionEdit::EncodeTo and DecodeFrom.) Logs and tables that it does
// not name may be there all the same: RocksDB deletes behind, the newest log first, and what a
// stopped process was writing stays until the next start.
//
// For stores of one column family, as Treadle's are.
struct Manifest {
  uint64_t first_log = 0;               // recovery reads the logs from this number on
  uint64_t last_sequence = 0;           // of the changes in tables; a later one is in those logs
  std::map<uint64_t, uint64_t> tables;  // the size in bytes of each, by its number

  bool understood = true;  // all of it; otherwise there may be other tables

  // Takes what one of the records says, in their order, up to what is not understood in it.
  void Take(std::string_view record);

 private:
  bool TakeAll(std::string_view record);
};

}  // namespace treadle::store
