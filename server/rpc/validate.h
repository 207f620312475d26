#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "proto/support/task_id.h"
#include "treadle/v1/queue_service.pb.h"
#include "treadle/v1/task.pb.h"
#include "treadle/v1/task_service.pb.h"
#include "treadle/v1/worker_service.pb.h"

// Every bound that the proto files state and that can be checked without the broker's state. Each
// error is INVALID_ARGUMENT: the field, the value where it is short, and what would be right.

namespace treadle::rpc {

// Of a session. Nobody comes that far by counting.
inline constexpr uint64_t kSequenceMax = UINT64_MAX >> 3;

struct Bounds {
  int64_t payload_bytes_max = 0;
  int64_t batch_tasks_max = 0;
};

// A queue's or type's name, a request key, ...: 1 to 255 bytes of UTF-8 without control characters.
absl::Status ValidateName(absl::string_view field, const std::string& value);
// The same, or empty.
absl::Status ValidateOptionalName(absl::string_view field, const std::string& value);
// A number between two bounds, both included; `unit` follows the numbers ("ms").
absl::Status ValidateRange(absl::string_view field, int64_t value, int64_t min, int64_t max,
                           absl::string_view unit = "");
absl::Status ValidatePageSize(int32_t value);
// Of what was sent for a task's id, in an answer: our own are shorter.
inline constexpr size_t kShownIdBytes = 60;
// How many items a batch has.
absl::Status ValidateBatch(absl::string_view field, int64_t count, int64_t min, int64_t max);
absl::StatusOr<TaskId> ValidateTaskId(absl::string_view field, const std::string& value);

// All of a task but its payload and its request key.
absl::Status ValidateOptions(const v1::TaskSpec& task, int64_t wall_ms);
absl::Status ValidatePayload(int64_t bytes, const Bounds& bounds);
// Of a run of so many tasks, which has so many request keys. `path`: of the run, with a dot behind.
absl::Status ValidateCommon(absl::string_view path, const v1::TaskSpec& common, int64_t tasks,
                            int64_t request_keys);
absl::Status ValidateOpen(const v1::SessionOpen& open);
absl::Status ValidateSession(const v1::SessionRequest& request, const Bounds& bounds);

absl::Status ValidateLabels(absl::string_view field,
                            const google::protobuf::Map<std::string, std::string>& labels);
absl::Status ValidateHello(const v1::WorkerHello& hello);
// Everything but hello, and but what each report carries, and how large each result is.
absl::Status ValidateAttach(const v1::AttachRequest& request, int pools, const Bounds& bounds);
// Of the attempts that succeeded, and of the others.
int64_t CountReports(const v1::AttachRequest& request);
absl::Status ValidateReport(const v1::AttemptReport& report, const Bounds& bounds);
absl::Status ValidateResult(int64_t bytes, const Bounds& bounds);
absl::Status ValidateLease(const v1::LeaseRequest& request);
// FAILED_PRECONDITION: the task needs a message of `bytes`, and the client said by
// message_bytes_max what it takes.
absl::Status CheckTaken(int64_t message_bytes_max, int64_t bytes, const TaskId& task,
                        const std::string& queue);
absl::Status ValidateExtension(const v1::LeaseExtension& extension);
absl::Status ValidateAppend(const v1::AppendOutputRequest& request);

absl::Status ValidateQueue(const v1::QueueConfig& config);
absl::Status ValidateUpdate(const v1::UpdateQueueRequest& request);
absl::Status ValidateListTasks(const v1::ListTasksRequest& request);

}  // namespace treadle::rpc
