#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "proto/program/cli_fwd.h"
#include "treadle/client.h"
#include "treadle/submit_options.h"

namespace treadle::cli {

// How tasks are submitted: the options that `submit` and `map` share.
struct SubmitFlags {
  std::string queue = "default";
  std::string type;
  std::string content_type;
  std::vector<std::string> headers;
  int64_t priority = 0;
  int64_t delay_ms = 0;
  std::string run_at;
  int64_t attempts = 0;
  int64_t retry_delay_ms = 0;
  int64_t retry_max_delay_ms = 0;
  std::vector<std::string> no_retry_on;
  int64_t attempt_timeout_ms = 0;
  int64_t deadline_ms = 0;
  int64_t result_ttl_ms = 0;
  std::string durability = "synced";
  int64_t wait_if_full_ms = 0;

  CLI::Option* durability_option = nullptr;
  CLI::Option* result_ttl_option = nullptr;
};

// `wait_if_full_ms`: that option's default.
void AddSubmitFlags(CLI::App& command, SubmitFlags& flags, int64_t wait_if_full_ms);

// INVALID_ARGUMENT names the flag and the way out. Without --attempts, an exec task whose program
// ends with an error status fails at once, as in a shell; a lost worker's tasks run again.
absl::StatusOr<SubmitOptions> ToSubmitOptions(const SubmitFlags& flags, bool exec);

// A broker that goes away during the submit has some time to come back, beside that which the
// submit may wait for room.
ClientOptions PatientFor(const SubmitFlags& flags);

}  // namespace treadle::cli
