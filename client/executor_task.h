#pragma once

#include <string>

#include "client/future/future_state.h"

#include "treadle/executor.h"

namespace treadle {

// A task as an executor hands it to the session.
struct Executor::Task {
  Task() = default;

  std::string spec;  // an encoded v1::TaskSpec
  SubmitTraits traits;
  bool child = false;  // to be cancelled with the task that runs on this thread
};

}  // namespace treadle
