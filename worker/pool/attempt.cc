#include "worker/pool/attempt.h"

#include <utility>

namespace treadle::worker {

Attempt::Attempt(AttemptInfo info, std::string payload)
    : info_(std::move(info)), payload_(std::move(payload)), ends_by_(info_.deadline) {
  if (ends_by_) ends_by_reason_ = StopReason::kDeadline;
}

bool Attempt::RequestStop(StopReason reason) {
  StopReason none = StopReason::kNone;
  if (!stop_reason_.compare_exchange_strong(none, reason, std::memory_order_acq_rel)) return false;
  stop_.request_stop();
  return true;
}

void Attempt::StartClock(std::chrono::steady_clock::time_point now) {
  if (info_.timeout.count() <= 0) return;
  const auto timeout = now + info_.timeout;
  if (ends_by_ && *ends_by_ <= timeout) return;
  ends_by_ = timeout;
  ends_by_reason_ = StopReason::kAttemptTimeout;
}

}  // namespace treadle::worker
