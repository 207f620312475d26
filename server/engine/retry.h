#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/engine/types.h"

namespace treadle::engine {

// Null means the default policy.
const RetryPolicy& PolicyOrDefault(const std::shared_ptr<const RetryPolicy>& policy);

// May an attempt that failed like this be followed by another, as far as the error says?
bool MayRetry(const RetryPolicy& policy, const TaskError& error);

// The wait before the next attempt, when `attempts_spent` (from 1) have failed. The jitter comes
// from the task's id and the attempt: spread over tasks, and the same in every replay.
int64_t BackoffMs(const RetryPolicy& policy, TaskId task, int32_t attempts_spent);

// The wait before a task that was given back `returns` times is given out again: none for the first
// few, which have good reasons (a worker that ends, a stream that broke), then 100 ms, doubled each
// time up to 30 s.
int64_t ReturnBackoffMs(int returns);

}  // namespace treadle::engine
