#pragma once

#include <memory>

#include "absl/status/statusor.h"

namespace treadle {

namespace worker {
class Guard;
}  // namespace worker

// Starts what ends a worker's child processes, and what they have started in groups of their own,
// with this process, whatever ends it: kill -9, a crash, a second Ctrl-C. For WorkerOptions::guard.
//
// It is a second process, "treadle-guard". What it cannot end: a process that has left its group (a
// daemon, setsid), and one with the rights of another user.
//
// Call it first thing in main(), while there is one thread and little memory: it forks. In a child
// of a process pool: its parent's guard; nullptr when that has none. RESOURCE_EXHAUSTED, INTERNAL:
// the system refuses.
absl::StatusOr<std::shared_ptr<worker::Guard>> StartGuard();

}  // namespace treadle
