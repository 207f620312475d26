#include "worker/pool/attempt.h"

#include <utility>

#include "proto/support/trace_context.h"

namespace treadle::worker {

Attempt::Attempt(AttemptId id, std::shared_ptr<const AttemptInfo> info, std::string payload)
    : id_(std::move(id)),
      info_(std::move(info)),
      payload_(std::move(payload)),
      ends_by_(info_->deadline) {
  if (ends_by_) ends_by_reason_ = StopReason::kDeadline;
}

Attempt::Attempt(AttemptId id, AttemptInfo info, std::string payload)
    : Attempt(std::move(id), std::make_shared<const AttemptInfo>(std::move(info)),
              std::move(payload)) {}

bool Attempt::RequestStop(StopReason reason) {
  StopReason none = StopReason::kNone;
  if (!stop_reason_.compare_exchange_strong(none, reason, std::memory_order_acq_rel)) return false;
  std::stop_source stop{std::nostopstate};
  {
    std::lock_guard lock(stop_mutex_);
    stop = stop_;
  }
  stop.request_stop();  // without the lock: it runs the handler's callbacks
  return true;
}

std::stop_token Attempt::stop_token() const {
  std::lock_guard lock(stop_mutex_);
  if (!stop_.stop_possible()) {
    stop_ = std::stop_source();
    if (stop_reason() != StopReason::kNone) stop_.request_stop();
  }
  return stop_.get_token();
}

std::string Attempt::traceparent() const {
  const auto header = info_->headers.find(kTraceParent);
  if (header == info_->headers.end()) return "";
  return AttemptTraceParent(header->second, task_id(), info_->attempt);
}

void Attempt::StartClock(std::chrono::steady_clock::time_point now) {
  if (info_->timeout.count() <= 0) return;
  const auto timeout = now + info_->timeout;
  if (ends_by_ && *ends_by_ <= timeout) return;
  ends_by_ = timeout;
  ends_by_reason_ = StopReason::kAttemptTimeout;
}

}  // namespace treadle::worker
