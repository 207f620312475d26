#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "treadle/worker.h"
#include "worker/placement/placement.h"
#include "worker/pool/pool.h"
#include "worker/session/session.h"

namespace treadle::worker {

// The pools of one worker: those that its handlers need.
class PoolSet {
 public:
  // As the Starts of the pools. `child_key` tells child processes whose they are.
  static absl::StatusOr<PoolSet> Start(const WorkerOptions& options, const std::string& child_key,
                                       std::stop_token stop_starting, const Placement& placement,
                                       const std::shared_ptr<const Handlers>& handlers,
                                       const std::shared_ptr<AttemptEvents>& events);
  PoolSet(PoolSet&&) = default;

  std::vector<ServedPool> Served(const WorkerOptions& options, const Placement& placement) const;
  // For each pool, in the order of Served.
  std::vector<std::vector<std::string>> Types(const Placement& placement) const;
  // "2 threads, 4 processes", and what bounds their memory.
  std::string Describe() const;
  // As Pool::Shutdown(0 ms) of all of them.
  size_t Shutdown();

 private:
  struct Entry {
    RunIn kind;
    std::unique_ptr<Pool> pool;
    std::string about;  // follows its units in Describe
  };

  PoolSet() = default;
  template <typename P>
  absl::Status Enter(RunIn kind, absl::StatusOr<std::unique_ptr<P>> pool, std::string about = "");

  std::vector<Entry> pools_;
};

}  // namespace treadle::worker
