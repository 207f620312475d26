#pragma once

#include "server/rpc/unary_call.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::rpc {

// TaskService.Submit: each task accepted or refused on its own.
absl::Status Submit(Edge& edge, UnaryCall& call, v1::SubmitRequest& request);

// TaskService.SubmitRun: the same for tasks that differ in their payloads only.
absl::Status SubmitRun(Edge& edge, UnaryCall& call, v1::SubmitRunRequest& request);

}  // namespace treadle::rpc
