#pragma once

#include <functional>
#include <string>

#include "treadle/internal/attempt_result.h"
#include "treadle/task_context.h"

namespace treadle::worker {

// Runs one attempt: takes the payload, returns how it ended. Called from many threads at once. May
// throw.
using Handler = std::function<AttemptResult(TaskContext& context, std::string payload)>;

struct CoroutineHandler;  // coroutine_handler.h

}  // namespace treadle::worker
