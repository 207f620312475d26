#include "worker/placement/pool_set.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/text.h"
#include "worker/pool/coroutine/coroutine_pool.h"
#include "worker/pool/process/process_pool.h"
#include "worker/pool/thread/thread_pool.h"

namespace treadle::worker {
namespace {

int OneForEachCpu(int wish) {
  return wish > 0 ? wish : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int64_t WaitingMax(const WorkerOptions& options) {
  return options.prefetch.value_or(Prefetch::kAdaptiveMax);
}

absl::StatusOr<std::unique_ptr<ThreadPool>> StartThreads(
    const WorkerOptions& options, const std::shared_ptr<const Handlers>& handlers,
    const std::shared_ptr<AttemptEvents>& events) {
  ThreadPoolOptions threads;
  threads.slots = OneForEachCpu(options.concurrency);
  threads.waiting_max = WaitingMax(options);
  threads.initializer = options.thread_initializer;
  return ThreadPool::Start(std::move(threads), handlers, events);
}

absl::StatusOr<std::unique_ptr<ProcessPool>> StartProcesses(
    const WorkerOptions& options, const std::string& child_key, std::stop_token stop_starting,
    const std::shared_ptr<const Handlers>& handlers, const std::shared_ptr<AttemptEvents>& events) {
  ProcessPoolOptions processes;
  processes.slots = OneForEachCpu(options.processes);
  processes.waiting_max = WaitingMax(options);
  processes.child_arguments = options.child_arguments;
  processes.guard = options.guard;
  processes.child_key = child_key;
  processes.stop_starting = std::move(stop_starting);
  processes.max_tasks_per_child = options.max_tasks_per_child;
  processes.memory_bytes_max = options.child_memory_bytes_max;
  processes.cpu_time_max = options.child_cpu_time_max;
  processes.terminate_after = options.terminate_after;
  processes.kill_after = options.kill_after;
  return ProcessPool::Start(std::move(processes), handlers, events);
}

absl::StatusOr<std::unique_ptr<CoroutinePool>> StartCoroutines(
    const WorkerOptions& options, const std::shared_ptr<const Handlers>& handlers,
    const std::shared_ptr<AttemptEvents>& events) {
  CoroutinePoolOptions coroutines;
  coroutines.slots = options.coroutines;
  coroutines.waiting_max = WaitingMax(options);
  return CoroutinePool::Start(std::move(coroutines), handlers, events);
}

std::string_view Units(RunIn kind) {
  switch (kind) {
    case RunIn::kProcess:
      return " processes";
    case RunIn::kCoroutine:
      return " coroutines";
    default:
      return " threads";
  }
}

// For the log.
std::string MemoryBound(int64_t bytes_max, const std::string& by) {
  if (by.empty()) return "";
  const bool whole = bytes_max % limits::kMiB == 0;
  return absl::StrCat(" of at most ", whole ? bytes_max / limits::kMiB : bytes_max,
                      whole ? " MiB" : " bytes", " of memory by ", by);
}

}  // namespace

template <typename P>
absl::Status PoolSet::Enter(RunIn kind, absl::StatusOr<std::unique_ptr<P>> pool,
                            std::string about) {
  if (!pool.ok()) return pool.status();
  pools_.push_back({kind, *std::move(pool), std::move(about)});
  return absl::OkStatus();
}

absl::StatusOr<PoolSet> PoolSet::Start(const WorkerOptions& options, const std::string& child_key,
                                       std::stop_token stop_starting, const Placement& placement,
                                       const std::shared_ptr<const Handlers>& handlers,
                                       const std::shared_ptr<AttemptEvents>& events) {
  PoolSet set;
  absl::Status status;
  if (placement.Needs(RunIn::kThread)) {
    status.Update(set.Enter(RunIn::kThread, StartThreads(options, handlers, events)));
  }
  if (status.ok() && placement.Needs(RunIn::kProcess)) {
    auto processes = StartProcesses(options, child_key, std::move(stop_starting), handlers, events);
    std::string about =
        processes.ok() ? MemoryBound(options.child_memory_bytes_max, (*processes)->memory_bound())
                       : "";
    status.Update(set.Enter(RunIn::kProcess, std::move(processes), std::move(about)));
  }
  if (status.ok() && placement.Needs(RunIn::kCoroutine)) {
    status.Update(set.Enter(RunIn::kCoroutine, StartCoroutines(options, handlers, events)));
  }
  if (!status.ok()) return status;
  return set;
}

std::vector<ServedPool> PoolSet::Served(const WorkerOptions& options,
                                        const Placement& placement) const {
  std::vector<ServedPool> served;
  for (const Entry& entry : pools_) {
    served.emplace_back(*entry.pool, placement.TypesIn(entry.kind), Prefetch(options.prefetch));
  }
  return served;
}

std::vector<std::vector<std::string>> PoolSet::Types(const Placement& placement) const {
  std::vector<std::vector<std::string>> types;
  for (const Entry& entry : pools_) types.push_back(placement.TypesIn(entry.kind));
  return types;
}

std::string PoolSet::Describe() const {
  std::string text;
  for (const Entry& entry : pools_) {
    const std::string_view units = Units(entry.kind);
    absl::StrAppend(&text, text.empty() ? "" : ", ", entry.pool->slots(), Absl(units), entry.about);
  }
  return text;
}

size_t PoolSet::Shutdown() {
  size_t abandoned = 0;
  for (const Entry& entry : pools_) abandoned += entry.pool->Shutdown(std::chrono::milliseconds(0));
  return abandoned;
}

}  // namespace treadle::worker
