#include "server/store/expiry.h"

#include <limits>

namespace treadle::store {

char* WriteStays(char* at) {
  *at = kStays;
  return at + kStaysBytes;
}

char* WriteExpires(int64_t expires_at_ms, char* at) {
  *at++ = kExpires;
  const auto bits = static_cast<uint64_t>(expires_at_ms);
  for (int shift = 0; shift < 64; shift += 8) *at++ = static_cast<char>(bits >> shift);
  return at;
}

bool HasExpiryPrefix(std::string_view value) {
  if (value.empty()) return false;
  return value[0] == kStays || (value[0] == kExpires && value.size() >= kExpiresBytes);
}

std::optional<int64_t> ExpiresAtMs(std::string_view value) {
  if (value.size() < kExpiresBytes || value[0] != kExpires) return std::nullopt;
  uint64_t bits = 0;
  for (int i = 8; i >= 1; --i)
    bits = bits << 8 | static_cast<uint8_t>(value[static_cast<size_t>(i)]);
  return static_cast<int64_t>(bits);
}

bool Expired(std::string_view value, int64_t now_ms) {
  return now_ms >= ExpiresAtMs(value).value_or(std::numeric_limits<int64_t>::max());
}

std::string_view WithoutExpiry(std::string_view value) {
  return value.substr(value[0] == kExpires ? kExpiresBytes : kStaysBytes);
}

}  // namespace treadle::store
