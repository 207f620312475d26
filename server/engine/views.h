#pragma once

#include <cstdint>

#include "server/engine/state.h"
#include "server/engine/view.h"

namespace treadle::engine {

// Of the task with this id, which is `task` or one that it stands for.
uint64_t PayloadBytesOf(const Task& task, TaskId id);
TaskView ViewOf(const Task& task, TaskId id, const State& state);
// Of the task that it would submit; its state is none.
TaskView ViewOf(const Waiter& waiter, const State& state);
QueueView ViewOf(const Queue& queue, int64_t now_ms, const State& state);
inline JobView ViewOf(const Job& job) { return {job.row, job.waits_for}; }
WorkerView ViewOf(const Worker& worker, const State& state);
// When a worker's leases end if nothing is heard from it: Unix time.
int64_t LeasesEndAt(const Worker& worker, const State& state);

}  // namespace treadle::engine
