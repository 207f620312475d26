#pragma once

#include <vector>

#include "server/engine/row.h"
#include "server/engine/view.h"
#include "treadle/v1/explain.pb.h"

namespace treadle::rpc {

// A reason of this task, with its sentence and what to do about it. Of a task that is not there yet
// the view has its queue and type at least.
void Write(const engine::ReasonView& reason, const engine::TaskView& task, v1::TaskReason* out);
// Of one that has ended.
void WriteEnded(const engine::FinishedRow& row, v1::TaskReason* out);
void Write(const std::vector<engine::LostTime>& lost, v1::ExplainTaskResponse* out);

}  // namespace treadle::rpc
