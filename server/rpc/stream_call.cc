#include "server/rpc/stream_call.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/wire/settings.h"
#include "proto/wire/status.h"

namespace treadle::rpc {
namespace {

// How many times the bound may wait for a reader for a short time.
constexpr int64_t kBurst = 8;
// As many may wait on a stream whose reader keeps up.
constexpr size_t kFewMessages = 2;

}  // namespace

StreamCall::StreamCall(Edge& edge, grpc::CallbackServerContext* context)
    : Call(edge.calls, context->peer()), edge_(edge), context_(context) {}

absl::Status StreamCall::Register() {
  self_ = shared_from_this();
  return edge_.calls.Add(self_);
}

void StreamCall::Send(grpc::ByteBuffer message) {
  std::lock_guard lock(mutex_);
  if (ending_.has_value()) return;
  const auto bytes = static_cast<int64_t>(message.Length());
  if (absl::Status s = edge_.outgoing.Take(*client(), bytes); !s.ok()) {
    BeginEnd(std::move(s), /*drop=*/true);
    return;
  }
  outgoing_bytes_ += bytes;
  outgoing_.push_back(std::move(message));
  WriteNext();
  EndIfTooSlow(edge_.clock.NowMs());
}

void StreamCall::SendUnlessBehind(grpc::ByteBuffer message) {
  std::lock_guard lock(mutex_);
  if (ending_.has_value() || outgoing_.size() >= kFewMessages) return;
  const auto bytes = static_cast<int64_t>(message.Length());
  if (!edge_.outgoing.Take(*client(), bytes).ok()) return;
  outgoing_bytes_ += bytes;
  outgoing_.push_back(std::move(message));
  WriteNext();
}

void StreamCall::SendHeartbeat(int64_t now_ms, int64_t quiet_ms) {
  std::lock_guard lock(mutex_);
  if (ending_.has_value() || is_writing_ || now_ms - written_at_ms_ < quiet_ms) return;
  outgoing_.push_back(EmptyMessage());
  WriteNext();
}

void StreamCall::End(absl::Status status) {
  std::lock_guard lock(mutex_);
  BeginEnd(std::move(status), /*drop=*/false);
}

void StreamCall::BreakOff() {
  std::lock_guard lock(mutex_);
  if (!done_) context_->TryCancel();
}

bool StreamCall::ended() const {
  std::lock_guard lock(mutex_);
  return ending_.has_value();
}

bool StreamCall::failed() const {
  std::lock_guard lock(mutex_);
  return ending_.has_value() && !ending_->ok();
}

void StreamCall::OnWriteDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    GiveBack(static_cast<int64_t>(writing_.Length()));
    writing_.Clear();
    is_writing_ = false;
    ending_since_ms_ = 0;  // it reads
    if (!ok) BeginEnd(absl::CancelledError("the stream broke"), /*drop=*/true);
    WriteNext();
  }
  OnWritten();
}

void StreamCall::OnCancel() {
  std::lock_guard lock(mutex_);
  BeginEnd(absl::CancelledError("the client has gone"), /*drop=*/true);
}

void StreamCall::OnDone() {
  const std::shared_ptr<Call> last = std::move(self_);
  {
    std::lock_guard lock(mutex_);
    done_ = true;
    GiveBack(outgoing_bytes_);
  }
  OnOver();
  edge_.calls.Remove(*this);
}

void StreamCall::Beat(int64_t now_ms) {
  std::lock_guard lock(mutex_);
  EndIfTooSlow(now_ms);
  EndIfNotRead(now_ms);
  if (done_ || !ending_.has_value()) return;
  if (ending_since_ms_ == 0) ending_since_ms_ = now_ms;
  // The peer neither reads nor goes. What comes before a good end has its time.
  const int64_t within_ms =
      is_writing_ && ending_->ok()
          ? edge_.outgoing.ReadWithinMs(static_cast<int64_t>(writing_.Length()))
          : wire::kPeerSilentMs;
  if (now_ms - ending_since_ms_ > within_ms) context_->TryCancel();
}

void StreamCall::EndIfTooSlow(int64_t now_ms) {
  const int64_t bytes_max = edge_.options.outgoing_bytes_max;
  if (outgoing_bytes_ <= bytes_max || ending_.has_value()) {
    behind_since_ms_ = 0;
    return;
  }
  if (behind_since_ms_ == 0) behind_since_ms_ = now_ms;
  if (outgoing_bytes_ <= kBurst * bytes_max && now_ms - behind_since_ms_ < wire::kPeerSilentMs) {
    return;
  }
  BeginEnd(absl::ResourceExhaustedError(absl::StrCat(
               "this stream's reader is too slow: ", outgoing_bytes_,
               " bytes wait for it; read faster, and go on by opening the stream again")),
           /*drop=*/true);
}

void StreamCall::EndIfNotRead(int64_t now_ms) {
  const auto bytes = static_cast<int64_t>(writing_.Length());
  if (!is_writing_ || ending_.has_value() ||
      now_ms - written_at_ms_ <= edge_.outgoing.ReadWithinMs(bytes)) {
    return;
  }
  BeginEnd(absl::ResourceExhaustedError(
               absl::StrCat("this stream's reader has not taken a message of ", bytes, " bytes in ",
                            now_ms - written_at_ms_,
                            " ms: read what comes, and go on by opening the stream "
                            "again")),
           /*drop=*/true);
}

void StreamCall::GiveBack(int64_t bytes) {
  outgoing_bytes_ -= bytes;
  edge_.outgoing.Return(*client(), bytes);
}

void StreamCall::BeginEnd(absl::Status status, bool drop) {
  if (drop) {
    for (const grpc::ByteBuffer& message : outgoing_) {
      GiveBack(static_cast<int64_t>(message.Length()));
    }
    outgoing_.clear();
  }
  if (!ending_.has_value()) ending_ = std::move(status);
  WriteNext();
}

void StreamCall::WriteNext() {
  if (is_writing_ || finished_) return;
  if (!outgoing_.empty()) {
    writing_ = std::move(outgoing_.front());
    outgoing_.pop_front();
    is_writing_ = true;
    written_at_ms_ = edge_.clock.NowMs();
    StartWrite(&writing_);
  } else if (ending_.has_value()) {
    finished_ = true;
    Answered();
    Finish(wire::ToGrpc(*ending_));
  }
}

}  // namespace treadle::rpc
