#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"

// How a handler says that trying again is of no use: the task fails at once, whatever its retry
// policy and the attempts left.

namespace treadle {

// For handlers that throw. `type` is the error's type as the client sees it.
class PermanentError : public std::runtime_error {
 public:
  explicit PermanentError(const std::string& message)
      : PermanentError("treadle::PermanentError", message) {}
  PermanentError(std::string type, const std::string& message)
      : std::runtime_error(message), type_(std::move(type)) {}

  const std::string& type() const { return type_; }

 private:
  std::string type_;
};

// For handlers that return a status: return Permanent(absl::InvalidArgumentError("...")).
absl::Status Permanent(absl::Status status);
bool IsPermanent(const absl::Status& status);

}  // namespace treadle
