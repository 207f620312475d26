#pragma once

#include <cstdint>

#include "server/engine/row.h"

namespace treadle::broker {

// The outcome of one of several tasks that succeeded together, with its part of their results.
// REQUIRES: index < outcomes.tasks.
engine::FinishedRow OneOf(const engine::FinishedRow& outcomes, uint32_t index);

}  // namespace treadle::broker
