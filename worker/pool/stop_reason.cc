#include "treadle/stop_reason.h"

namespace treadle {

std::string_view ToString(StopReason reason) {
  switch (reason) {
    case StopReason::kNone:
      return "none";
    case StopReason::kCancelled:
      return "cancelled";
    case StopReason::kAttemptTimeout:
      return "attempt timeout";
    case StopReason::kDeadline:
      return "deadline";
    case StopReason::kLeaseLost:
      return "lease lost";
    case StopReason::kShutdown:
      return "shutdown";
  }
  return "unknown";
}

}  // namespace treadle
