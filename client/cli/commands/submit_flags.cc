#include "client/cli/commands/submit_flags.h"

#include <chrono>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "client/cli/console/human.h"
#include "client/cli/flags.h"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "proto/program/flags.h"
#include "proto/support/limits.h"
#include "treadle/task_error.h"

namespace treadle::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kGiveUpAfter{30'000};

Durability ParseDurability(const std::string& text) {
  if (text == "memory") return Durability::kMemory;
  return text == "written" ? Durability::kWritten : Durability::kSynced;
}

}  // namespace

void AddSubmitFlags(CLI::App& command, SubmitFlags& flags, int64_t wait_if_full_ms) {
  flags.wait_if_full_ms = wait_if_full_ms;
  program::AddText(command, "-q,--queue", flags.queue, "NAME", "The queue that takes the task.");
  program::AddText(command, "--type", flags.type, "NAME",
                   "The handler that runs the task, for tasks that are no programs.");
  program::AddText(command, "--content-type", flags.content_type, "TYPE",
                   "How the payload is encoded, application/json say.");
  program::AddList(command, "--header", flags.headers, "NAME=VALUE",
                   "Handed to the handler. May be given many times.");
  program::AddCount(command, "--priority", flags.priority, std::numeric_limits<int32_t>::min(),
                    std::numeric_limits<int32_t>::max(),
                    "For priority queues: the highest starts first.");
  AddBound(command, "--delay", flags.delay_ms, limits::kAheadMsMax,
           "Do not start before this time has passed.");
  program::AddText(command, "--run-at", flags.run_at, "TIME",
                   "Do not start before: 2025-03-01T14:05:00Z, or '2025-03-01 14:05'.");
  program::AddCount(command, "--attempts", flags.attempts, 0, limits::kAttemptsMax,
                    "Runs that may fail before the task fails. 0: 3, but a program that ends with "
                    "an error status is not run again.");
  AddBound(command, "--retry-delay", flags.retry_delay_ms, limits::kRetryDelayMsMax,
           "The wait before the second attempt; doubles with each. Default: 1s.");
  AddBound(command, "--retry-max-delay", flags.retry_max_delay_ms, limits::kRetryDelayMsMax,
           "The longest such wait. Default: 1m.");
  program::AddList(command, "--no-retry-on", flags.no_retry_on, "ERROR-TYPE",
                   "Errors of this type fail the task at once. May be given many times.");
  AddBound(command, "--attempt-timeout", flags.attempt_timeout_ms, limits::kAttemptTimeoutMsMax,
           "Stop an attempt that runs longer; it counts as failed.");
  AddBound(command, "--deadline", flags.deadline_ms, limits::kAheadMsMax,
           "Give the task up when it has not ended this long after its submit.");
  flags.result_ttl_option =
      AddBound(command, "--result-ttl", flags.result_ttl_ms, limits::kAheadMsMax,
               "How long the result is kept. Default: 1h.");
  flags.durability_option = program::AddChoice(
      command, "--durability", flags.durability, {"memory", "written", "synced"},
      "How safe the task is before its submit is acknowledged: in the broker's memory, with its "
      "operating system, or on its disk.");
  program::AddDuration(command, "--wait-if-full", flags.wait_if_full_ms, 0,
                       limits::kWaitIfFullMsMax,
                       "How long to wait for room in a full queue. 0: be refused at once.");
}

absl::StatusOr<SubmitOptions> ToSubmitOptions(const SubmitFlags& flags, bool exec) {
  SubmitOptions options;
  options.priority = static_cast<int32_t>(flags.priority);
  options.delay = milliseconds(flags.delay_ms);
  if (!flags.run_at.empty()) {
    if (flags.delay_ms != 0) {
      return absl::InvalidArgumentError("--delay and --run-at exclude each other: give one");
    }
    absl::StatusOr<int64_t> at_ms = ParseTimeMs(flags.run_at);
    if (!at_ms.ok()) {
      return absl::InvalidArgumentError("--run-at: " + std::string(at_ms.status().message()));
    }
    options.run_at = std::chrono::system_clock::time_point(milliseconds(*at_ms));
  }

  RetryPolicy retry;
  if (flags.attempts != 0) options.max_attempts = static_cast<int32_t>(flags.attempts);
  if (flags.retry_delay_ms != 0) retry.initial_delay = milliseconds(flags.retry_delay_ms);
  if (flags.retry_max_delay_ms != 0) retry.max_delay = milliseconds(flags.retry_max_delay_ms);
  retry.no_retry_error_types = flags.no_retry_on;
  if (exec && flags.attempts == 0) retry.no_retry_error_types.emplace_back(kExitStatusError);
  options.retry = retry;

  options.attempt_timeout = milliseconds(flags.attempt_timeout_ms);
  options.deadline = milliseconds(flags.deadline_ms);
  if (flags.result_ttl_option != nullptr && flags.result_ttl_option->count() > 0) {
    options.result_ttl = milliseconds(flags.result_ttl_ms);
  }
  for (const std::string& header : flags.headers) {
    const size_t equals = header.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return absl::InvalidArgumentError(
          fmt::format("--header: '{}' is not NAME=VALUE", Printable(header)));
    }
    options.headers[header.substr(0, equals)] = header.substr(equals + 1);
  }
  options.durability = ParseDurability(flags.durability);
  options.wait_if_full = milliseconds(flags.wait_if_full_ms);
  return options;
}

ClientOptions PatientFor(const SubmitFlags& flags) {
  ClientOptions options;
  options.give_up_after = kGiveUpAfter + milliseconds(flags.wait_if_full_ms);
  return options;
}

}  // namespace treadle::cli
