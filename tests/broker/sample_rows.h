#pragma once

#include <vector>

#include "proto/support/task_id.h"
#include "server/broker/delivery.h"
#include "server/engine/row.h"

namespace treadle::broker {

// Rows with something in every field.

inline constexpr TaskId kTask = {0x0102030405060708, 77};

Body SomeBody();
engine::TaskRow SomeTask();
engine::TaskRow SomeRun();
engine::FinishedRow SomeFinished();
std::vector<engine::FailedAttempt> SomeFailed();
engine::DeadLetterRow SomeLetter();
engine::LetterGroupRow SomeGroup();
engine::FinishedRow SomeOutcomes();  // of several
std::vector<engine::Row> OneOfEachKind();

}  // namespace treadle::broker
