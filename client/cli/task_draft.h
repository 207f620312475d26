#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "treadle/codec.h"
#include "treadle/submit_options.h"

namespace treadle::cli {

// A task that is ready to be submitted.
struct TaskDraft {
  std::string type;
  Payload payload;
  SubmitOptions options;
};

// An exec task. INVALID_ARGUMENT: the arguments cannot travel.
absl::StatusOr<TaskDraft> DraftProgram(const SubmitOptions& options,
                                       const std::vector<std::string>& argv, std::string input);

}  // namespace treadle::cli
