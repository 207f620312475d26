#include "proto/support/running_task.h"

#include <utility>

namespace treadle {
namespace {

thread_local const RunningTask::Headers* headers_here = nullptr;

}  // namespace

RunningTask::RunningTask(const Headers& headers) : outer_(std::exchange(headers_here, &headers)) {}

RunningTask::~RunningTask() { headers_here = outer_; }

const RunningTask::Headers* RunningTask::HeadersHere() { return headers_here; }

}  // namespace treadle
