#include "server/broker/stream_input.h"

#include <utility>

#include "absl/status/statusor.h"

#include "proto/support/assert.h"

namespace treadle::broker {

StreamInput::StreamInput(Intake& broker, engine::CallId call, Lane lane,
                         absl::AnyInvocable<void()> read)
    : broker_(broker), call_(call), lane_(lane), read_(std::move(read)) {}

void StreamInput::Hold() {
  const std::lock_guard lock(mutex_);
  ++holds_;
}

void StreamInput::Resume() {
  {
    const std::lock_guard lock(mutex_);
    TREADLE_ASSERT(holds_ > 0);
    if (--holds_ > 0 || closed_) return;
  }
  read_();
}

bool StreamInput::held() const {
  const std::lock_guard lock(mutex_);
  return holds_ > 0;
}

absl::Status StreamInput::Post(std::vector<Request> requests) {
  if (requests.empty()) return absl::OkStatus();
  absl::StatusOr<Reading> reading = Reading::kGoOn;
  {
    const std::lock_guard lock(mutex_);
    TREADLE_ASSERT(holds_ > 0);
    if (closed_) return absl::OkStatus();
    if (!posted_) {
      absl::Status status = broker_.Post(lane_, std::move(requests));
      posted_ = status.ok();
      closed_ = !posted_;
      return status;
    }
    // First: the broker's answer may come before PostFrom returns.
    ++holds_;
    reading = broker_.PostFrom(call_, lane_, std::move(requests));
  }
  if (!reading.ok() || *reading == Reading::kGoOn) Resume();
  return reading.status();
}

void StreamInput::Close(std::vector<Request> last) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(closed_, true) || !posted_) return;
  ++holds_;  // until the ReadOn that may answer it
  // A broker that has stopped forgets it all.
  (void)broker_.PostFrom(call_, lane_, std::move(last));
}

}  // namespace treadle::broker
