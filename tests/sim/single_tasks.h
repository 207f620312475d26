#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/support/task_id.h"
#include "server/broker/delivery.h"
#include "server/engine/command.h"
#include "server/engine/output.h"
#include "server/engine/row.h"

// What is said of several tasks at once, as it would be said of each of them alone: what the
// promises are stated for.

namespace treadle::sim {

// Of one: no sizes, and all of the bytes.
std::vector<std::string_view> Cut(std::string_view bytes, const std::vector<uint32_t>& sizes);
// None: it has no body.
std::string_view BytesOrNone(const broker::BodyPart& part);

// Each with its payload.
std::vector<std::pair<engine::TaskRow, std::string>> TasksOf(const engine::TaskRow& row,
                                                             std::string_view payloads);
// Each with its result.
std::vector<std::pair<engine::FinishedRow, std::string>> OutcomesOf(const engine::FinishedRow& row,
                                                                    std::string_view results);
std::vector<std::pair<engine::Token, TaskId>> LeasesOf(const engine::GrantRow& row);
// Each with its payload, which is a part of `leased`.
std::vector<std::pair<engine::Lease, std::string_view>> LeasesOf(const broker::Leased& leased);
// Without their results.
std::vector<engine::EndAttempt> ReportsOf(const engine::EndAttempt& end);
std::vector<engine::Submitted> AnswersOf(const engine::Submitted& submitted);

}  // namespace treadle::sim
