#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/console/json.h"
#include "client/cli/exit_code.h"

#include "treadle/codec.h"

namespace treadle::cli {

// How one item of a map ended: its result, the task's error (treadle/task_error.h), or why there is
// no task.
struct ItemEnd {
  std::string item;
  std::string task_id;  // empty: never submitted
  absl::StatusOr<Payload> result = absl::UnknownError("");
};

// The result with the item and a tab before each of its lines, and a newline at its end.
std::string Tagged(const std::string& item, const std::string& result);

// One object: "item", then as ToJson(Outcome) has it; state "REFUSED": it never became a task.
Json ToJson(const ItemEnd& end);

// "item 'a.txt': task 3f-1 FAILED after 1 attempt: ...".
std::string Describe(const ItemEnd& end);

// kTaskFailed for a task that ended without success; what stands for the status otherwise.
ExitCode ExitCodeOf(const ItemEnd& end);

}  // namespace treadle::cli
