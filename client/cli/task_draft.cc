#include "client/cli/task_draft.h"

#include <utility>

#include "client/exec_task.h"

namespace treadle::cli {

absl::StatusOr<TaskDraft> DraftProgram(const SubmitOptions& options,
                                       const std::vector<std::string>& argv, std::string input) {
  absl::StatusOr<std::string> header = EncodeArgv(argv);
  if (!header.ok()) return header.status();
  TaskDraft task{std::string(kExecTaskType), Payload(std::move(input), kBytesContentType), options};
  task.options.headers[std::string(kExecArgvHeader)] = *std::move(header);
  return task;
}

}  // namespace treadle::cli
