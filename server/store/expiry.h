#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace treadle::store {

// The prefix of every stored value (see Store): when it expires.
//   0                      stays until it is deleted
//   1, then 8 bytes        service time (Clock::NowMs), in milliseconds, little endian
inline constexpr char kStays = 0;
inline constexpr char kExpires = 1;
inline constexpr size_t kStaysBytes = 1;
inline constexpr size_t kExpiresBytes = 9;

// Write the prefix to `at`, which has room for it; return the byte after it.
char* WriteStays(char* at);
char* WriteExpires(int64_t expires_at_ms, char* at);

// False for bytes that no store may be given.
bool HasExpiryPrefix(std::string_view value);
// Absent: it stays. So does a value without a prefix: what is not understood is never dropped.
std::optional<int64_t> ExpiresAtMs(std::string_view value);
// From `expires_at_ms` on.
bool Expired(std::string_view value, int64_t now_ms);
// What follows the prefix. REQUIRES: HasExpiryPrefix.
std::string_view WithoutExpiry(std::string_view value);

}  // namespace treadle::store
