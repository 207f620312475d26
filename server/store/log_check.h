#pragma once

#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"

namespace treadle::store {

// How far a RocksDB log can be believed. Write-ahead logs and MANIFESTs are sequences of records in
// blocks of 32 KiB, each fragment of a record headed by checksum, length and kind (RocksDB wiki:
// "Write Ahead Log File Format").

struct LogEnd {
  enum class State { kWhole, kTorn, kDamaged };
  State state = State::kWhole;
  // After the last whole record; of a damaged log: where the damage begins.
  uint64_t offset = 0;
  std::string_view damage = {};  // what is wrong, for people
};

// What stands before the changes in a batch.
inline constexpr size_t kBatchHeadBytes = 12;

// Reads a log's bytes. `visit` gets the first bytes of each whole record, up to `head_bytes_max`;
// false: the record does not belong there, the log is damaged.
//
// Torn: the file ends inside a record, or in nothing but zeros. So ends a log whose last write was
// under way when its process or machine stopped, and that was never acknowledged. Damaged: all else
// that cannot be read, a last record with a wrong checksum too, because it may have been
// acknowledged.
LogEnd CheckLog(std::string_view bytes, size_t head_bytes_max,
                absl::FunctionRef<bool(std::string_view head)> visit);

}  // namespace treadle::store
