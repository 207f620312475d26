#pragma once

#include <optional>
#include <string_view>

namespace treadle {

// Where a handler runs. Which to choose: worker/README.md has a table.
enum class RunIn {
  kThread,     // on one of WorkerOptions::concurrency threads
  kProcess,    // in one of WorkerOptions::processes child processes: for handlers that compute, may
               // crash, or do not stop when they are told to
  kCoroutine,  // on the event loop, with up to WorkerOptions::coroutines others: for handlers that
               // wait, and are coroutines
  kAuto,       // on threads at first; when its first runs turn out to compute, in processes
};

// "thread", "process", "coroutine", "auto".
std::string_view ToString(RunIn run_in);
// None: it is none of these words.
std::optional<RunIn> RunInFrom(std::string_view word);

}  // namespace treadle
