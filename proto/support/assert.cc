#include "proto/support/assert.h"

#include <cstdio>
#include <cstdlib>

namespace treadle {

void AssertionFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "treadle: assertion failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace treadle
