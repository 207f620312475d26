#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/context.h"

#include "proto/program/cli_fwd.h"
#include "treadle/v1/job_service.pb.h"

// What commands do to all that a filter takes: a job of the broker does it.

namespace treadle::cli {

struct BulkFlags {
  bool dry_run = false;
  bool yes = false;
  bool detach = false;
  int64_t rate = 0;  // tasks a second; 0: as fast as it goes
  std::string reason;
};
// `done`: what becomes of the tasks, "cancelled"; `reason`: what --reason is for.
void AddBulkFlags(CLI::App& command, BulkFlags& flags, const std::string& done,
                  const std::string& reason);

// Asks on a terminal whether to do `what` ("cancel 12 tasks"). kOk: yes. Without a terminal --yes
// is the answer, or it is refused.
ExitCode Confirm(Context& context, const BulkFlags& flags, const std::string& what);

// How many tasks the job would do it to: the broker looks at all of them. Absent: it was
// interrupted, and that is said.
absl::StatusOr<std::optional<int64_t>> CountMatches(Context& context, Client& client,
                                                    v1::JobSpec spec);

// Starts the job, and shows how far it is until it has ended; with --detach it shows the job.
ExitCode RunJob(Context& context, Client& client, const BulkFlags& flags, v1::JobSpec spec);

}  // namespace treadle::cli
