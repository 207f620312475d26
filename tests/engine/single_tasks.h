#pragma once

#include <vector>

#include "server/engine/command.h"
#include "server/engine/output.h"
#include "server/engine/row.h"

// Runs and ranges as the single tasks that they stand for: what the rules are stated for.

namespace treadle::engine {

std::vector<Submit> SingleTasks(const Submit& submit);
std::vector<EndAttempt> SingleTasks(const EndAttempt& end);
// A GrantRow stays one row.
std::vector<Row> SingleTasks(const Row& row);
// A Dispatched stays one event, with leases of one task each.
std::vector<Event> SingleTasks(const Event& event);

}  // namespace treadle::engine
