#pragma once

#include "absl/functional/function_ref.h"

#include "server/engine/state.h"
#include "server/engine/view.h"

namespace treadle::engine {

// See Engine::LookThroughTasks. What it costs, all of it in one turn of the broker:
//   - nothing, where the query's queue has no task in these states: its counts say so;
//   - the tasks that wait in the query's queue, where they are up to 10,000, and no running ones
//   are
//     wanted that there are;
//   - otherwise one look at each task, or at all of a run's that have not parted, up to 100,000 of
//     these, some milliseconds; and, beside that, what `visit` does with the tasks that fit.
TasksLookedAt LookThroughTasks(const State& state, const TaskQuery& query,
                               absl::FunctionRef<bool(TaskView&& task)> visit);

}  // namespace treadle::engine
