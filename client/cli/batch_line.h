#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/commands/submit_flags.h"
#include "client/cli/task_draft.h"
#include <CLI/CLI.hpp>

namespace treadle::cli {

// Reads the lines of treadle submit --batch: one task an object. Its names are those of submit's
// own flags, with _ for -, read and checked as these are; what a line leaves out is as the command
// line says. Besides:
//   payload         text as it is; any other value as JSON, "application/json" unless it is named
//   payload_base64  bytes
//   program         its path and arguments, an array; "stdin" is its input, text
//   header          an object
//   request_key     as --request-key
class BatchLine {
 public:
  explicit BatchLine(const SubmitFlags& defaults);
  BatchLine(const BatchLine&) = delete;
  BatchLine& operator=(const BatchLine&) = delete;

  struct Task {
    std::string queue;
    TaskDraft draft;
  };
  // INVALID_ARGUMENT says what is wrong with it.
  absl::StatusOr<Task> Read(const std::string& line);

 private:
  const SubmitFlags defaults_;
  SubmitFlags flags_;
  std::string request_key_;
  CLI::App app_;
};

}  // namespace treadle::cli
