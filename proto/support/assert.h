#pragma once

// TREADLE_ASSERT(condition): a bug of ours when false. Stays on in release builds: a broker whose
// memory is wrong must stop before it writes. What can happen by itself (bad input, a full disk) is
// an absl::Status instead.

namespace treadle {

[[noreturn]] void AssertionFailed(const char* condition, const char* file, int line);

}  // namespace treadle

#define TREADLE_ASSERT(condition)                                                                 \
  (__builtin_expect(!(condition), 0) ? ::treadle::AssertionFailed(#condition, __FILE__, __LINE__) \
                                     : (void)0)
