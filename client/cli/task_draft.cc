#include "client/cli/task_draft.h"

#include <utility>

#include "treadle/exec_task.h"

namespace treadle::cli {

absl::StatusOr<TaskDraft> DraftProgram(const SubmitOptions& options,
                                       const std::vector<std::string>& argv, std::string input) {
  TaskDraft task{"", Payload(std::move(input), kBytesContentType), options};
  absl::StatusOr<std::string> type = PutProgram(argv, task.options);
  if (!type.ok()) return type.status();
  task.type = *std::move(type);
  return task;
}

}  // namespace treadle::cli
