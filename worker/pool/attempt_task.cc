#include "worker/pool/attempt_task.h"

#include <utility>

namespace treadle::worker {

void AttemptTask::End() {
  ended_ = true;
  on_stop_.reset();
  if (children_ != nullptr) children_->Close();
}

std::shared_ptr<ChildTasks> AttemptTask::children() {
  if (children_ == nullptr) {
    children_ = std::make_shared<ChildTasks>();
    if (ended_) {
      children_->Close();
      return children_;
    }
    on_stop_.emplace(attempt_.stop_token(), [this] {
      if (attempt_.stop_reason() == StopReason::kCancelled) children_->Cancel();
    });
  }
  return children_;
}

}  // namespace treadle::worker
