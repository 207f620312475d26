#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "treadle/v1/admin_service.pb.h"
#include "treadle/v1/queue_service.pb.h"
#include "treadle/v1/task.pb.h"

// What --output json prints. Fields are named and nested as in the proto files; states and
// disciplines are their short names ("QUEUED", "FIFO"); times are Unix milliseconds. Names never
// change their meaning; new ones may come. Fields that say nothing (no deadline, no error) are left
// out.

namespace treadle::cli {

using Json = nlohmann::ordered_json;

// "QUEUED", "FIFO", "SYNCED": the enum's name without its type.
std::string StateName(v1::TaskState state);
std::string StopReasonName(v1::StopReason reason);
std::string DisciplineName(v1::Discipline discipline);
std::string AdviceName(v1::HandlerAdvice advice);
std::string DurabilityName(v1::Durability durability);

Json ToJson(const v1::TaskError& error);
Json ToJson(const v1::Task& task);
Json ToJson(const v1::Outcome& outcome);
Json ToJson(const v1::Queue& queue);
Json ToJson(const v1::Worker& worker);
Json ToJson(const v1::ServerInfo& server);

// The result as text in "result" when it is UTF-8, otherwise in "result_base64"; its content type.
void AddResult(const std::string& bytes, const std::string& content_type, Json& json);

// One line. Text that is not UTF-8 is shown with replacement characters.
std::string Line(const Json& json);

}  // namespace treadle::cli
