#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace treadle::server {

// What the process's descriptors are for.
struct DescriptorPlan {
  int64_t limit = 0;
  int64_t table_files = 0;  // of the store, open at once
  int64_t connections = 0;
};

// FAILED_PRECONDITION: the limit leaves no room for any connection. Otherwise fewer than wanted,
// when the limit asks for it: what the store needs comes first.
// `http`: connections to the HTTP port.
absl::StatusOr<DescriptorPlan> PlanDescriptors(int64_t limit, int64_t connections_wanted,
                                               int64_t http);

// The same for this process, whose soft limit is raised to its hard one. Says in the log what came
// of it. Once, before anything is opened.
absl::StatusOr<DescriptorPlan> ReserveDescriptors(int64_t connections_wanted, int64_t http);

}  // namespace treadle::server
