#include "server/rpc/bidi_call.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "proto/wire/settings.h"

namespace treadle::rpc {
namespace {

// Who has been silent for so long is probably idle, and is looked at less often.
constexpr int64_t kLongMs = 10'000;
constexpr int64_t kLongLookMs = 4'000;

}  // namespace

BidiCall::BidiCall(Edge& edge, grpc::CallbackServerContext* context, broker::Lane lane,
                   int64_t heartbeat_ms)
    : StreamCall(edge, context),
      heartbeat_ms_(heartbeat_ms),
      wait_(edge.clock.NowMs()),
      input_(edge.broker, id(), lane,
             [this] { UnlessFinished([this] { StartRead(&reading_); }); }) {}

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
  if (!status.ok()) {
    End(std::move(status));
    return;
  }
  ResumeReading();
  if (greeted_) SendHeartbeat(edge_.clock.NowMs(), heartbeat_ms_ / 2);
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

void BidiCall::FlushAtBeat() {
  if (waits_for_beat_.exchange(true)) return;
  edge_.pulse.AtBeat([self = shared_from_this(), this] {
    edge_.outbox.Post([self, this] {
      waits_for_beat_ = false;
      FlushAll();
    });
  });
}

void BidiCall::ResumeReading() {
  heard_at_ms_ = edge_.clock.NowMs();
  input_.Resume();
}

// Silence is measured in bytes, because gRPC shows a message when it is whole: one that is large
// may take longer than a peer may be silent, and a worker's lease lasts.
bool BidiCall::IsArriving(int64_t now_ms) {
  const int64_t silent_ms = now_ms - heard_at_ms_;
  if (silent_ms < heartbeat_ms_ * 3 / 2 || now_ms < look_at_ms_) return false;
  const bool arrives = client()->IsArriving(heard_at_ms_, now_ms);
  if (!arrives && may_rest() && silent_ms > kLongMs) look_at_ms_ = now_ms + kLongLookMs;
  return arrives;
}

void BidiCall::Beat(int64_t now_ms) {
  if (begun_) {
    Listen(now_ms);
  } else {
    const absl::Status status = wait_.Check(*client(), now_ms, edge_.options.first_message_ms);
    if (!status.ok()) {
      End(absl::Status(status.code(), absl::StrCat(first_field(), ": ", status.message())));
    }
  }
  StreamCall::Beat(now_ms);
}

void BidiCall::Listen(int64_t now_ms) {
  const bool reads = !input_.held();
  const bool arrives = reads && !ended() && IsArriving(now_ms);
  if (arrives) {
    arriving_at_ms_ = now_ms;
    OnArriving();
  }
  const int64_t silent_ms = now_ms - std::max<int64_t>(heard_at_ms_, arriving_at_ms_);
  const int64_t idle_ms = edge_.options.idle_heartbeat_ms;
  if (reads && silent_ms > idle_ms + wire::kPeerSilentMs) {
    End(absl::UnavailableError(
        absl::StrCat("nothing came on this stream for ", idle_ms + wire::kPeerSilentMs,
                     " ms; send something, an empty message at least, every ", heartbeat_ms_,
                     " ms while work is under way, and every ", idle_ms, " ms otherwise")));
  } else if (greeted_ && (arrives || !reads)) {
    SendHeartbeat(now_ms, heartbeat_ms_);
  }
}

void BidiCall::Greeted() {
  greeted_ = true;
  if (may_rest()) edge_.calls.Rest(*this);
}

// Not before the answer to the first message, which is to be the first.
void BidiCall::DiskHangs(int64_t /*now_ms*/, int64_t hung_ms) {
  if (greeted_) SendUnlessBehind(DiskHungMessage(hung_ms));
}

}  // namespace treadle::rpc
