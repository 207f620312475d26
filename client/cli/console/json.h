#pragma once

#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

#include "treadle/v1/admin_service.pb.h"
#include "treadle/v1/explain.pb.h"
#include "treadle/v1/queue_service.pb.h"
#include "treadle/v1/task.pb.h"

// What --output json prints: every field of the API's messages, by reflection, so that none is
// forgotten. Fields are named and nested as in the proto files. Numbers are numbers, those of 64
// bits too (protobuf's own JSON makes text of them, which jq compares as text). Enums are their
// short names ("QUEUED", "FIFO"); bytes are text where they are UTF-8, and otherwise in
// "NAME_base64"; a time is in "NAME_at_ms", as Unix milliseconds, and in "NAME_at", as RFC 3339
// ("time_ms" and "time" of what tasks say). What is not set is null: no error, no deadline, no
// reason to stop.

namespace treadle::cli {

using Json = nlohmann::ordered_json;

// "QUEUED", "FIFO", "SYNCED": the enum's name without its type.
std::string StateName(v1::TaskState state);
std::string DisciplineName(v1::Discipline discipline);
std::string DurabilityName(v1::Durability durability);
std::string ReasonName(v1::Reason reason);

Json ToJson(const google::protobuf::Message& message);
// The result of a task that has none is null.
Json ToJson(const v1::Outcome& outcome);

// A row of CSV: each field by its path ("stats.queued"), the same ones for every message of a type.
// What is repeated is JSON.
using Fields = std::vector<std::pair<std::string, std::string>>;
Fields ToFields(const google::protobuf::Message& message);
Fields ToFields(const Json& object);

// The result as text in "result" when it is UTF-8, otherwise in "result_base64"; its content type.
void AddResult(const std::string& bytes, const std::string& content_type, Json& json);

// One line. Text that is not UTF-8 is shown with replacement characters.
std::string Line(const Json& json);
// One document, indented.
std::string Document(const Json& json);

// A line of CSV (RFC 4180, but for the line's end: "\n").
std::string CsvLine(const std::vector<std::string>& cells);

}  // namespace treadle::cli
