#include "server/rpc/bidi_call.h"

#include <exception>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "proto/wire/settings.h"

namespace treadle::rpc {

BidiCall::BidiCall(Edge& edge, grpc::CallbackServerContext* context, broker::Lane lane)
    : StreamCall(edge, context), input_(edge.broker, id(), lane, [this] {
        UnlessFinished([this] { StartRead(&reading_); });
      }) {}

void BidiCall::Begin() {
  heard_at_ms_ = edge_.clock.NowMs();
  if (absl::Status status = Register(); !status.ok()) {
    End(std::move(status));
    return;
  }
  input_.Begin();
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
  input_.Arrived();
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

void BidiCall::Deliver(broker::Delivery& delivery) {
  if (std::holds_alternative<broker::ReadOn>(delivery)) {
    ResumeReading();
  } else {
    Hear(delivery);
  }
}

void BidiCall::Post(std::vector<broker::Request> requests) {
  if (absl::Status status = input_.Post(std::move(requests)); !status.ok()) End(std::move(status));
}

void BidiCall::ResumeReading() {
  heard_at_ms_ = edge_.clock.NowMs();
  input_.Resume();
}

void BidiCall::Beat(int64_t now_ms) {
  const int64_t silent_ms = now_ms - heard_at_ms_;
  if (!begun_) {
    if (silent_ms > edge_.options.first_message_ms) {
      End(absl::DeadlineExceededError(
          absl::StrCat(first_field(), ": nothing came in the ", edge_.options.first_message_ms,
                       " ms since this stream was opened; send it at once")));
    }
  } else if (!input_.held() && silent_ms > wire::kPeerSilentMs) {
    End(absl::UnavailableError(absl::StrCat(
        "nothing came on this stream for ", wire::kPeerSilentMs,
        " ms; send something, an empty message at least, every ", wire::kHeartbeatMs, " ms")));
  } else if (greeted_) {
    SendHeartbeat(now_ms, wire::kHeartbeatMs - Pulse::kBeatMs);
  }
  StreamCall::Beat(now_ms);
}

}  // namespace treadle::rpc
