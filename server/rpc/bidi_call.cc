#include "server/rpc/bidi_call.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/wire/settings.h"

namespace treadle::rpc {
namespace {

constexpr int64_t kRetryPostMs = 5;

}  // namespace

void BidiCall::Begin() {
  heard_at_ms_ = edge_.clock.NowMs();
  if (absl::Status status = Register(); !status.ok()) {
    End(std::move(status));
    return;
  }
  ResumeReading();
}

void BidiCall::OnReadDone(bool ok) {
  heard_at_ms_ = edge_.clock.NowMs();
  if (!ok) {
    // Reads also fail once this end has ended the call: that is no word of the client's.
    client_closed_ = !ended();
    End(begun_ ? absl::OkStatus()
               : absl::InvalidArgumentError(absl::StrCat(
                     first_field(), ": absent; it must be in the stream's first message")));
    return;
  }
  begun_ = true;
  HoldReading();
  absl::Status status;
  try {
    status = OnMessage(reading_);
  } catch (const std::exception& error) {
    status = Unexpected(error);
  }
  reading_.Clear();
  if (status.ok()) {
    ResumeReading();
  } else {
    End(std::move(status));
  }
}

void BidiCall::Post(std::vector<broker::Request> requests) {
  if (requests.empty()) return;
  unposted_ = std::move(requests);
  if (!TryPost()) RetryPost();
}

bool BidiCall::TryPost() {
  const absl::Status status = edge_.broker.Post(std::move(unposted_));
  if (absl::IsResourceExhausted(status)) return false;
  unposted_.clear();
  if (!status.ok()) End(status);
  return true;
}

void BidiCall::RetryPost() {
  HoldReading();
  edge_.pulse.After(kRetryPostMs, [this, weak = weak_from_this()] {
    const std::shared_ptr<Call> self = weak.lock();
    if (self == nullptr || ended()) return;
    if (!TryPost()) RetryPost();
    ResumeReading();
  });
}

void BidiCall::ResumeReading() {
  heard_at_ms_ = edge_.clock.NowMs();
  if (--holds_ == 0) UnlessFinished([this] { StartRead(&reading_); });
}

void BidiCall::Beat(int64_t now_ms) {
  const int64_t silent_ms = now_ms - heard_at_ms_;
  if (!begun_) {
    if (silent_ms > edge_.options.first_message_ms) {
      End(absl::DeadlineExceededError(
          absl::StrCat(first_field(), ": nothing came in the ", edge_.options.first_message_ms,
                       " ms since this stream was opened; send it at once")));
    }
  } else if (holds_ == 0 && silent_ms > wire::kPeerSilentMs) {
    End(absl::UnavailableError(absl::StrCat(
        "nothing came on this stream for ", wire::kPeerSilentMs,
        " ms; send something, an empty message at least, every ", wire::kHeartbeatMs, " ms")));
  } else if (greeted_) {
    SendHeartbeat(now_ms, wire::kHeartbeatMs - Pulse::kBeatMs);
  }
  StreamCall::Beat(now_ms);
}

}  // namespace treadle::rpc
