#pragma once

#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/text.h"

namespace treadle {

// RESOURCE_EXHAUSTED, for what the system threw in place of a thread.
inline absl::Status ThreadRefused(std::string_view whose, const std::system_error& error) {
  return absl::ResourceExhaustedError(
      absl::StrCat("a thread for ", Absl(whose), " cannot be started: ", error.what(),
                   ": raise the system's bound on threads, or use fewer"));
}

// std::thread throws when the system has none left.
template <typename Run>
absl::Status StartThread(std::string_view whose, std::thread& thread, Run run) {
  try {
    thread = std::thread(std::move(run));
  } catch (const std::system_error& error) {
    return ThreadRefused(whose, error);
  }
  return absl::OkStatus();
}

}  // namespace treadle
