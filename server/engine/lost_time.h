#pragma once

#include <vector>

#include "server/engine/row.h"
#include "server/engine/state.h"
#include "server/engine/view.h"
#include "server/engine/waiter.h"

namespace treadle::engine {

// How much of a task's life so far went to each reason: the most first, and together its age. Of
// the lines and queues only the last changes are known (Trail), and none before the start.
std::vector<LostTime> LostTimesOf(const Task& task, const State& state);
// Of a submit that waits for room.
std::vector<LostTime> LostTimesOf(const Waiter& waiter, const State& state);
// Of one that has ended, as far as its row tells: what its queue did meanwhile is not known.
std::vector<LostTime> LostTimesOf(const FinishedRow& row);

}  // namespace treadle::engine
