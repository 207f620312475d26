#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace treadle {

// Errors that programs tell apart by name, as Python's users do by class. The name travels inside
// the status; its code and its words are for everyone else.

// concurrent.futures.BrokenExecutor: no worker serves the tasks (ExecutorOptions::broken_after).
// FAILED_PRECONDITION.
bool IsBrokenPool(const absl::Status& status);
// queue.Full: a bounded queue had no room in time. RESOURCE_EXHAUSTED.
bool IsFull(const absl::Status& status);
// queue.Empty: there was nothing to get in time. NOT_FOUND.
bool IsEmpty(const absl::Status& status);
// queue.ShutDown: the queue was shut down. FAILED_PRECONDITION.
bool IsShutDown(const absl::Status& status);

namespace error_name {

inline constexpr std::string_view kBrokenPool = "BrokenPool";
inline constexpr std::string_view kFull = "Full";
inline constexpr std::string_view kEmpty = "Empty";
inline constexpr std::string_view kShutDown = "ShutDown";

}  // namespace error_name

// `status` with a name. REQUIRES: not OK.
absl::Status Named(absl::Status status, std::string_view name);

}  // namespace treadle
