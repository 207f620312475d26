#pragma once

#include <string_view>

namespace treadle {

// Why a running task was told to stop.
enum class StopReason {
  kNone,            // it was not
  kCancelled,       // a client cancelled the task
  kAttemptTimeout,  // the attempt's timeout passed
  kDeadline,        // the task's deadline passed
  kLeaseLost,       // the broker has given the task to somebody else: nothing said here counts
  kShutdown,        // the worker shuts down, and the drain timeout has passed
};

// "cancelled", "attempt timeout", ...: for logs.
std::string_view ToString(StopReason reason);

}  // namespace treadle
