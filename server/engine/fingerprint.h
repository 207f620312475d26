#pragma once

#include <cstdint>

#include "server/engine/state.h"

namespace treadle::engine {

// All that the rows say, in one number. Parts are added up, so their order does not matter.
uint64_t FingerprintOf(const State& state);

}  // namespace treadle::engine
