#include "server/descriptors.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include <spdlog/spdlog.h>

#include "proto/support/descriptors.h"

namespace treadle::server {
namespace {

// Logs, the store's log and manifest, a compaction's files, gRPC's own, the listeners.
constexpr int64_t kOwn = 64;
constexpr int64_t kTableFilesMin = 20;
constexpr int64_t kTableFilesMax = 512;
constexpr int64_t kConnectionsMin = 16;
constexpr int64_t kEnough = 1 << 20;

}  // namespace

absl::StatusOr<DescriptorPlan> PlanDescriptors(int64_t limit, int64_t connections_wanted,
                                               int64_t http) {
  DescriptorPlan plan;
  plan.limit = limit;
  plan.table_files = std::clamp(limit / 4, kTableFilesMin, kTableFilesMax);
  // Some are still being closed when others take their places.
  const int64_t left = (limit - kOwn - http - plan.table_files) * 15 / 16;
  if (left < kConnectionsMin) {
    return absl::FailedPreconditionError(
        absl::StrCat("the limit on open files is ", limit,
                     ", which leaves no room for clients: "
                     "raise it to 1024 or more (ulimit -n, or systemd's LimitNOFILE)"));
  }
  plan.connections = std::min(connections_wanted, left);
  return plan;
}

absl::StatusOr<DescriptorPlan> ReserveDescriptors(int64_t connections_wanted, int64_t http) {
  const DescriptorLimit limit = RaiseDescriptorLimit();
  const auto plan = PlanDescriptors(std::min(limit.now, kEnough), connections_wanted, http);
  if (!plan.ok()) return plan;
  spdlog::info("open files: {}{}; room for {} connections and {} files of the store", plan->limit,
               limit.now == limit.before ? "" : absl::StrCat(" (raised from ", limit.before, ")"),
               plan->connections, plan->table_files);
  if (plan->connections < connections_wanted) {
    spdlog::warn(
        "--connections-max is {} instead of {}: raise the limit on open files (ulimit -n, "
        "or systemd's LimitNOFILE)",
        plan->connections, connections_wanted);
  }
  return plan;
}

}  // namespace treadle::server
