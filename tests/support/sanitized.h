#pragma once

// g++ has a macro for each sanitizer, Clang a feature.
#ifdef __has_feature
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

namespace treadle::test {

// This program has a sanitizer's memory, allocator and checks. (That of an object's type opens a
// pipe, and takes for an invalid object what it cannot look at without one.)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace treadle::test
