#pragma once

#include <memory>

#include "client/future/encoded_task.h"
#include "client/future/future_state.h"

#include "proto/support/running_task.h"
#include "treadle/executor.h"

namespace treadle {

// A task as an executor hands it to the session.
struct Executor::Task {
  Task() = default;

  client::EncodedTask encoded;
  client::SubmitTraits traits;
  // Of the task that it is to be cancelled with; null: of none.
  std::shared_ptr<ChildTasks> siblings;
};

}  // namespace treadle
