#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/program/flags.h"
#include "proto/program/logging.h"
#include "proto/support/limits.h"
#include "treadle/worker.h"

// What treadle-worker is told by its flags.

namespace treadle::worker {

struct Options {
  std::string broker;  // empty: as at WorkerOptions
  bool http_proxy = false;
  std::vector<std::string> queues;
  std::string name;
  std::vector<std::string> labels;  // "KEY=VALUE"
  int64_t concurrency = 0;
  int64_t processes = 0;
  std::vector<std::string> run_in;  // "TYPE=POOL"
  int64_t max_tasks_per_child = 0;
  int64_t child_memory_max = 0;
  int64_t child_cpu_time_max_ms = 0;
  int64_t prefetch = -1;
  int64_t drain_timeout_ms = 30 * limits::kSecondMs;
  std::vector<std::string> allowed;
  int64_t exec_output_max = limits::kPayloadBytesMax;
  program::LogOptions log;
};

void AddFlags(CLI::App& app, Options& options);

// Completes what was given. INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED: it cannot be meant.
absl::Status Check(Options& options);

// Lowers --concurrency and --processes to what so many descriptors are enough for, and returns what
// to log about that; empty: they are enough. FAILED_PRECONDITION: not even for one task at once.
absl::StatusOr<std::string> FitDescriptors(Options& options, int64_t descriptors);

WorkerOptions ToWorkerOptions(const Options& options);

// What child processes are started with: what they need of the options, said so that it does not
// depend on config files and programs that may have changed meanwhile.
std::vector<std::string> ChildArguments(const Options& options);

}  // namespace treadle::worker
