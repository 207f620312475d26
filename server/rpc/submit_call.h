#pragma once

#include "server/rpc/unary_call.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::rpc {

// TaskService.Submit: each task accepted or refused on its own.
absl::Status Submit(Edge& edge, UnaryCall& call, v1::SubmitRequest& request);

}  // namespace treadle::rpc
