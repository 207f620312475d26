#include "treadle/internal/start_thread.h"

#include "absl/strings/str_cat.h"

#include "proto/support/text.h"

namespace treadle::internal {

absl::Status ThreadRefused(std::string_view whose, const std::system_error& error) {
  return absl::ResourceExhaustedError(
      absl::StrCat("a thread for ", Absl(whose), " cannot be started: ", error.what(),
                   ": raise the system's bound on threads, or use fewer"));
}

}  // namespace treadle::internal
