#include "proto/support/running_task.h"

#include <utility>

namespace treadle {
namespace {

thread_local RunningTask* here = nullptr;

}  // namespace

void ChildTasks::Add(std::shared_ptr<ChildTask> child) {
  {
    std::lock_guard lock(mutex_);
    if (!cancelled_) {
      if (!closed_) children_.emplace(child.get(), std::move(child));
      return;
    }
  }
  child->Cancel();
}

std::shared_ptr<ChildTask> ChildTasks::Remove(const ChildTask& child) {
  std::lock_guard lock(mutex_);
  const auto found = children_.find(&child);
  if (found == children_.end()) return nullptr;
  std::shared_ptr<ChildTask> removed = std::move(found->second);
  children_.erase(found);
  return removed;
}

void ChildTasks::Cancel() {
  Children children;
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    children.swap(children_);
  }
  for (const auto& [address, child] : children) child->Cancel();
}

void ChildTasks::Close() {
  Children children;
  std::lock_guard lock(mutex_);
  closed_ = true;
  children.swap(children_);
}

RunningTask* RunningTask::Here() { return here; }

RunningTask::Scope::Scope(RunningTask& task) : outer_(std::exchange(here, &task)) {}

RunningTask::Scope::~Scope() { here = outer_; }

}  // namespace treadle
