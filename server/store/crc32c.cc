#include "server/store/crc32c.h"

#include <algorithm>
#include <cstddef>

#include <isa-l/crc.h>

namespace rocksdb::crc32c {

// RocksDB's own function: the dynamic linker lets a program's go before a library's of that name.
// Of each byte of the log a checksum is taken, for which RocksDB uses the processor's instruction
// only where it was compiled for processors that have one. Debian's was compiled for any, and has
// tables for it: 1 GB/s, half of what the thread computes that writes large payloads. ISA-L looks
// at the processor that it runs on.
//
// The checksum of all bytes so far, of which `crc` is that of those before `data`.
uint32_t Extend(uint32_t crc, const char* data, size_t size);

uint32_t Extend(uint32_t crc, const char* data, size_t size) {
  constexpr size_t kPieceMax = size_t{1} << 30;  // ISA-L takes an int
  uint32_t inverted = ~crc;
  while (size > 0) {
    const size_t piece = std::min(size, kPieceMax);
    // It reads only, though its declaration does not say so.
    auto* const bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(data));
    inverted = crc32_iscsi(bytes, static_cast<int>(piece), inverted);
    data += piece;
    size -= piece;
  }
  return ~inverted;
}

}  // namespace rocksdb::crc32c

namespace treadle::store {

uint32_t Crc32c(std::string_view bytes) {
  return rocksdb::crc32c::Extend(0, bytes.data(), bytes.size());
}

}  // namespace treadle::store
