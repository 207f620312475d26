#include "server/store/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace treadle::store {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected
constexpr size_t kSlices = 8;

// Slicing by eight (Kounavis and Berry, Intel, 2005): kTables[n] moves a byte over n more bytes.
using ByteTables = std::array<std::array<uint32_t, 256>, kSlices>;
constexpr ByteTables kTables = [] {
  ByteTables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ kPolynomial : crc >> 1;
    tables[0][byte] = crc;
  }
  for (size_t slice = 1; slice < kSlices; ++slice) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = tables[0][before & 0xff] ^ before >> 8;
    }
  }
  return tables;
}();

uint32_t Load32(const char* at) {
  uint32_t number;
  std::memcpy(&number, at, sizeof(number));  // every machine we build for is little endian
  return number;
}

}  // namespace

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  for (; end - at >= static_cast<std::ptrdiff_t>(kSlices); at += kSlices) {
    const uint32_t low = Load32(at) ^ crc;
    const uint32_t high = Load32(at + 4);
    crc = kTables[7][low & 0xff] ^ kTables[6][low >> 8 & 0xff] ^ kTables[5][low >> 16 & 0xff] ^
          kTables[4][low >> 24] ^ kTables[3][high & 0xff] ^ kTables[2][high >> 8 & 0xff] ^
          kTables[1][high >> 16 & 0xff] ^ kTables[0][high >> 24];
  }
  for (; at != end; ++at) crc = kTables[0][(crc ^ static_cast<uint8_t>(*at)) & 0xff] ^ crc >> 8;
  return ~crc;
}

}  // namespace treadle::store
