#pragma once

namespace treadle::test {

// This program has a sanitizer's memory, allocator and checks. (That of an object's type opens a
// pipe, and takes for an invalid object what it cannot look at without one.)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace treadle::test
