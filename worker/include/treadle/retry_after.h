#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"

#include "treadle/milliseconds.h"

// How a handler says when trying again is of use: the next attempt, if one is left, waits so long,
// in place of what the retry policy says (HTTP's Retry-After, say). It costs an attempt as any
// failure does. From 0 to 7 days; what is outside is taken for the nearer of the two.

namespace treadle {

// For handlers that throw. `type` is the error's type as the client sees it.
class RetryAfterError : public std::runtime_error {
 public:
  RetryAfterError(Milliseconds delay, const std::string& message)
      : RetryAfterError(delay, "treadle::RetryAfterError", message) {}
  RetryAfterError(Milliseconds delay, std::string type, const std::string& message)
      : std::runtime_error(message), delay_(delay), type_(std::move(type)) {}

  Milliseconds delay() const { return delay_; }
  const std::string& type() const { return type_; }

 private:
  Milliseconds delay_;
  std::string type_;
};

// For handlers that return a status: return RetryAfter(absl::UnavailableError("..."), 30s).
absl::Status RetryAfter(absl::Status status, Milliseconds delay);
// None: the retry policy's.
std::optional<Milliseconds> RetryAfterOf(const absl::Status& status);

}  // namespace treadle
