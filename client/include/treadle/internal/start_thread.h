#pragma once

#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"

namespace treadle::internal {

// RESOURCE_EXHAUSTED, for what the system threw in place of a thread.
absl::Status ThreadRefused(std::string_view whose, const std::system_error& error);

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

}  // namespace treadle::internal
