#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "worker/pool/attempt_result.h"
#include "worker/pool/pool.h"
#include "worker/task_context.h"

namespace treadle::worker {

// Runs one attempt: takes the payload, returns how it ended. Called from many threads at once. May
// throw.
using Handler = std::function<AttemptResult(TaskContext& context, std::string payload)>;

// The handlers of one pool, by task type. Fixed once the pool has started.
class Handlers {
 public:
  // False: the type has a handler already.
  bool Add(std::string_view type, Handler handler);
  // nullptr: none.
  const Handler* Find(std::string_view type) const;
  // In alphabetical order.
  std::vector<std::string> Types() const;

 private:
  absl::flat_hash_map<std::string, Handler> handlers_;
};

// Finds the attempt's handler and runs it on this thread. Everything that it may do becomes a
// result: no handler, an exception, and what a handler that was told to stop returned. The attempt
// has begun; telling of its end is the caller's.
AttemptResult RunHandler(const Handlers& handlers, Attempt& attempt, AttemptEvents& events);

}  // namespace treadle::worker
