#include "worker/pool/process/process_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "worker/pool/pool_bounds.h"
#include "worker/pool/process/process_pool_loop.h"

namespace treadle::worker {
namespace {

absl::Status Check(const ProcessPoolOptions& options) {
  absl::Status checked =
      CheckSlots(options.name, options.slots, kProcessesMax, options.waiting_max);
  if (!checked.ok()) return checked;
  if (options.max_tasks_per_child < 0) {
    return OutOfBounds(options.name, "max_tasks_per_child", options.max_tasks_per_child,
                       "0 or more");
  }
  if (options.memory_bytes_max < 0) {
    return OutOfBounds(options.name, "memory_bytes_max", options.memory_bytes_max, "0 or more");
  }
  if (options.cpu_time_max.count() < 0) {
    return OutOfBounds(options.name, "cpu_time_max", options.cpu_time_max.count(), "0 ms or more");
  }
  return absl::OkStatus();
}

}  // namespace

ProcessPool::ProcessPool(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

ProcessPool::~ProcessPool() { Shutdown(std::chrono::milliseconds(0)); }

absl::StatusOr<std::unique_ptr<ProcessPool>> ProcessPool::Start(
    ProcessPoolOptions options, std::shared_ptr<const Handlers> handlers,
    std::shared_ptr<AttemptEvents> events) {
  absl::Status status = Check(options);
  if (!status.ok()) return status;
  auto loop = std::make_unique<Loop>(std::move(options), std::move(handlers), std::move(events));
  Loop* const starting = loop.get();
  std::unique_ptr<ProcessPool> pool(new ProcessPool(std::move(loop)));
  std::shared_ptr<CgroupTree> cgroups;
  if (starting->options().memory_bytes_max > 0) {
    CgroupPlaces places = starting->options().cgroups;
    if (starting->options().guard != nullptr)
      places.companion = starting->options().guard->process();
    auto found = CgroupTree::Find(places, starting->options().child_key);
    pool->memory_bound_ = found.ok() ? absl::StrCat("cgroup v2 ", (*found)->folder())
                                     : absl::StrCat("RLIMIT_DATA (", found.status().message(), ")");
    if (found.ok()) cgroups = *std::move(found);
  }
  status = starting->Start(std::move(cgroups));
  if (!status.ok()) return status;
  return pool;
}

std::string_view ProcessPool::name() const { return loop_->options().name; }
int ProcessPool::slots() const { return loop_->options().slots; }
size_t ProcessPool::Submit(std::span<AttemptPtr> attempts) { return loop_->Submit(attempts); }
void ProcessPool::Stop(const AttemptPtr& attempt, StopReason reason) {
  loop_->Stop(attempt, reason);
}
std::vector<AttemptPtr> ProcessPool::TakeBack(size_t count) { return loop_->TakeBack(count); }
void ProcessPool::Close() { loop_->Close(); }
size_t ProcessPool::Shutdown(std::chrono::milliseconds grace) { return loop_->Shutdown(grace); }

}  // namespace treadle::worker
