#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace treadle::worker {

enum class AttemptEnd {
  kSucceeded,
  kFailed,
  kStopped,   // because it was told to
  kReleased,  // handed back, not run to its end by the worker's own choice
};

// How an attempt ended.
struct AttemptResult {
  AttemptResult() = default;

  static AttemptResult Succeeded(std::string bytes, std::string content_type);
  static AttemptResult Failed(std::string type, std::string message, bool permanent = false);
  // The error's type is the status code's name, "NOT_FOUND" say.
  static AttemptResult FromStatus(const absl::Status& status);
  // The error's type is the exception's type name, its message what() says. REQUIRES: called where
  // the exception is being handled.
  static AttemptResult FromCurrentException();
  static AttemptResult Stopped();
  static AttemptResult Released();

  AttemptEnd end = AttemptEnd::kSucceeded;
  std::string bytes;  // the result with kSucceeded, the error's details with kFailed
  std::string content_type;
  // With kFailed.
  std::string error_type;
  std::string error_message;
  bool permanent = false;                 // do not try again
  std::optional<int32_t> exit_code;       // of a program that ended by itself
  std::optional<int32_t> signal;          // that ended a program
  std::optional<int64_t> retry_after_ms;  // the next attempt so much later; cut to 0 to 7 days
};

}  // namespace treadle::worker
