#pragma once

#include <vector>

#include "server/engine/command.h"
#include "server/engine/output.h"
#include "server/engine/row.h"

// Runs as the single tasks that they stand for: what the rules are stated for.

namespace treadle::engine {

std::vector<Submit> SingleTasks(const Submit& submit);
std::vector<TaskRow> SingleTasks(const TaskRow& row);
std::vector<Submitted> SingleTasks(const Submitted& submitted);

}  // namespace treadle::engine
