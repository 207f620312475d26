#pragma once

#include <cstdint>
#include <string_view>

namespace treadle::store {

// CRC-32C (Castagnoli), as RocksDB's logs use it.
uint32_t Crc32c(std::string_view bytes);

}  // namespace treadle::store
