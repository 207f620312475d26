#pragma once

#include <vector>

#include "server/engine/state.h"
#include "server/engine/view.h"
#include "server/engine/waiter.h"

namespace treadle::engine {

// Why things are as they are, read from what the engine knows anyway: nothing is kept for it but a
// few moments that seldom change. Costs time in proportion to those who serve the queue, and to the
// tasks of one type that come first, of which no more than 100,000 entries are looked at.

// Of the task with this id, which is `task` or one that it stands for.
std::vector<ReasonView> ReasonsOf(const Task& task, TaskId id, const State& state);
// Of a submit that waits for room.
std::vector<ReasonView> ReasonsOf(const Waiter& waiter, const State& state);
// Of a task that would be accepted now.
std::vector<ReasonView> ReasonsFor(const TaskSpec& spec, const State& state);

}  // namespace treadle::engine
