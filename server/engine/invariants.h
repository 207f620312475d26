#pragma once

#include "server/engine/lifecycle.h"
#include "server/engine/state.h"

namespace treadle::engine {

// Asserts that the tables agree with each other. `after_tick`: also that nothing runnable is left
// beside someone who could take it, and no submitter waits where there is room.
void CheckState(const State& state, const Lifecycle& lifecycle, bool after_tick);

}  // namespace treadle::engine
