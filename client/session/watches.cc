#include "client/session/watches.h"

namespace treadle::client {

absl::Status ShutDownStatus() {
  return absl::CancelledError("the client was shut down: connect a new one");
}

bool Watches::Begin(grpc::ClientContext& context) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  contexts_.insert(&context);
  return true;
}

void Watches::End(grpc::ClientContext& context) {
  std::lock_guard lock(mutex_);
  contexts_.erase(&context);
}

void Watches::CancelAll() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  for (grpc::ClientContext* context : contexts_) context->TryCancel();
  changed_.notify_all();
}

bool Watches::ended() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

bool Watches::SleepUntil(std::chrono::steady_clock::time_point time) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, time, [this] { return closed_; });
  return !closed_;
}

}  // namespace treadle::client
