#include "proto/support/random_bits.h"

#include <unistd.h>

#include "proto/support/assert.h"

namespace treadle {

uint64_t RandomBits() {
  uint64_t bits = 0;
  TREADLE_ASSERT(::getentropy(&bits, sizeof(bits)) == 0);
  return bits;
}

}  // namespace treadle
