#pragma once

#include <string>

#include "absl/functional/function_ref.h"

#include "treadle/internal/attempt_result.h"
#include "treadle/task_context.h"

namespace treadle::worker {

using ItemHandler = absl::FunctionRef<AttemptResult(std::string item, const std::string& type)>;

// Runs a v1::Chunk, item by item. The first that does not succeed is the attempt's end, its place
// named in the message. Between two items it looks whether it shall stop.
AttemptResult RunChunk(const TaskContext& context, const std::string& payload, ItemHandler handle);

}  // namespace treadle::worker
