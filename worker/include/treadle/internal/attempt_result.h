#pragma once

#include <exception>
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
  std::string bytes;  // the result, with kSucceeded
  std::string content_type;
  std::string error_type;  // with kFailed
  std::string error_message;
  bool permanent = false;  // with kFailed: do not try again
};

}  // namespace treadle::worker
