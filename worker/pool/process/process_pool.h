#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "worker/pool/handlers.h"
#include "worker/pool/pool.h"
#include "worker/pool/process/cgroup.h"
#include "worker/pool/process/guard.h"

namespace treadle::worker {

struct ProcessPoolOptions {
  ProcessPoolOptions() = default;

  std::string name = "process";
  int slots = 1;  // children, from 1 to 1,000
  // What the children are started with, the program's name first. None: what this process was
  // started with.
  std::vector<std::string> child_arguments;
  // Ends the children, and what they have started, with this process. None: they do so themselves,
  // as far as they live.
  std::shared_ptr<Guard> guard;
  // Tells the children whose they are, in a program with several such pools: ParentLink::Key.
  std::string child_key;
  // Attempts that may wait for a slot, on top of those that fill the slots.
  int64_t waiting_max = 0;
  // A child is replaced after so many attempts. 0: never.
  int64_t max_tasks_per_child = 0;
  // In each child. By cgroup v2 where the host lets us: of all memory that it and what it starts
  // use; beyond it the system ends it, and the error says so. Elsewhere by RLIMIT_DATA, of its own
  // data; beyond it allocations fail. 0: no bound.
  int64_t memory_bytes_max = 0;
  CgroupPlaces cgroups;
  // Of CPU time, in one attempt; beyond it the child is ended by SIGXCPU. In whole seconds, rounded
  // up. 0: no bound.
  std::chrono::milliseconds cpu_time_max{0};
  // From the request to stop to SIGTERM, and from there to SIGKILL.
  std::chrono::milliseconds terminate_after{2'000};
  std::chrono::milliseconds kill_after{2'000};
  // How long a child may take until it is ready, its initializer included.
  std::chrono::milliseconds start_timeout{60'000};
  // Requested before the children are ready, they are ended, and there is no pool.
  std::stop_token stop_starting;
  // Between two starts when children do not become ready, doubling from the one to the other.
  std::chrono::milliseconds restart_min{100};
  std::chrono::milliseconds restart_max{30'000};
};

// Runs each attempt in one of a fixed number of child processes: this binary, started again, which
// must come to ServeParent (pool_child.h) when ParentLink::Exists().
//
// - A child that dies costs the attempt that it was running, which fails with an error of type
//   "Signal" or "ExitStatus" that says how; a new child takes its place. One that was handed an
//   attempt and died before it began it costs nothing. An attempt is over when its child's process
//   group is dead, and the groups that the child has entered with the guard.
// - Stop is meant: what its stop token does not end within terminate_after is ended by SIGTERM, and
//   then by SIGKILL. A child that was sent a signal gets no other attempt, so that none is hit by a
//   late one.
// - A child whose output there is no room for is not read until there is: it waits, when the socket
//   is full, and no other does. Its attempt ends when all of it was heard.
// - When children do not become ready they are started again at growing intervals; when there is no
//   other child meanwhile, and three starts have failed, what waits fails with "BrokenPool", or is
//   handed back when the system had no descriptors, processes or memory for them.
// - When the parent ends, however, so do the children, and what they have started in their
//   process groups.
//
// `handlers` is where the children's running times are added up.
class ProcessPool final : public Pool {
 public:
  // Starts the children, and waits until all of them are ready. INVALID_ARGUMENT: an option is out
  // of bounds. RESOURCE_EXHAUSTED: the system has no more processes. FAILED_PRECONDITION: a child
  // ended instead of getting ready, or its initializer threw. CANCELLED: by stop_starting.
  static absl::StatusOr<std::unique_ptr<ProcessPool>> Start(
      ProcessPoolOptions options, std::shared_ptr<const Handlers> handlers,
      std::shared_ptr<AttemptEvents> events);
  ~ProcessPool() override;

  // For people: what bounds the children's memory, "cgroup v2 /sys/fs/cgroup/loom", and why it is
  // no cgroup. Empty: nothing does.
  const std::string& memory_bound() const { return memory_bound_; }

  std::string_view name() const override;
  int slots() const override;
  size_t Submit(std::span<AttemptPtr> attempts) override;
  void Stop(const AttemptPtr& attempt, StopReason reason) override;
  std::vector<AttemptPtr> TakeBack(size_t count) override;
  void Close() override;
  size_t Shutdown(std::chrono::milliseconds grace) override;

 private:
  class Loop;

  explicit ProcessPool(std::unique_ptr<Loop> loop);

  const std::unique_ptr<Loop> loop_;
  std::string memory_bound_;
};

}  // namespace treadle::worker
