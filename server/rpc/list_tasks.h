#pragma once

#include "server/rpc/unary_call.h"
#include "treadle/v1/task_service.pb.h"

namespace treadle::rpc {

// TaskService.ListTasks: unfinished tasks in the order of their submits, then finished ones by id.
absl::Status ListTasks(Edge& edge, UnaryCall& call, v1::ListTasksRequest& request);

}  // namespace treadle::rpc
