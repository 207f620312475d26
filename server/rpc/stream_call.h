#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include <grpcpp/grpcpp.h>

#include "proto/wire/settings.h"
#include "proto/wire/status.h"
#include "server/rpc/call.h"
#include "server/rpc/edge.h"
#include "server/rpc/message.h"

namespace treadle::rpc {

// The sending side of a streaming call. gRPC takes one message at a time; the others wait here, up
// to a bound. Ends with a status when all of them are sent.
//
// gRPC's reactions run on any of its threads, several at once: what they share has one mutex.
template <typename Reactor>
class StreamCall : public Call, public Reactor {
 public:
  bool is_stream() const override { return true; }

  // Queues a message. When the reader is too far behind, or its connection has too much unread,
  // ends the stream with RESOURCE_EXHAUSTED: the client opens it again and asks for what it has
  // missed. Does nothing after the end.
  void Send(grpc::ByteBuffer message) {
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

  void End(absl::Status status) override {
    std::lock_guard lock(mutex_);
    BeginEnd(std::move(status), /*drop=*/false);
  }

  bool ended() const {
    std::lock_guard lock(mutex_);
    return ending_.has_value();
  }

  // It ends with an error, and what comes for it is not sent any more.
  bool failed() const {
    std::lock_guard lock(mutex_);
    return ending_.has_value() && !ending_->ok();
  }

  void OnWriteDone(bool ok) final {
    std::lock_guard lock(mutex_);
    GiveBack(static_cast<int64_t>(writing_.Length()));
    writing_.Clear();
    is_writing_ = false;
    if (!ok) BeginEnd(absl::CancelledError("the stream broke"), /*drop=*/true);
    WriteNext();
  }

  void OnCancel() final {
    std::lock_guard lock(mutex_);
    BeginEnd(absl::CancelledError("the client has gone"), /*drop=*/true);
  }

  void OnDone() final {
    const std::shared_ptr<Call> last = std::move(self_);
    {
      std::lock_guard lock(mutex_);
      done_ = true;
      GiveBack(outgoing_bytes_);
    }
    OnOver();
    edge_.calls.Remove(*this);
  }

  void Beat(int64_t now_ms) override {
    std::lock_guard lock(mutex_);
    EndIfTooSlow(now_ms);
    if (done_ || !ending_.has_value()) return;
    if (ending_since_ms_ == 0) ending_since_ms_ = now_ms;
    // The peer neither reads nor goes.
    if (now_ms - ending_since_ms_ > wire::kPeerSilentMs) context_->TryCancel();
  }

 protected:
  StreamCall(Edge& edge, grpc::CallbackServerContext* context)
      : Call(edge.calls, context->peer()), edge_(edge), context_(context) {}

  // Registers the call, which then holds itself until OnDone.
  absl::Status Register() {
    self_ = shared_from_this();
    return edge_.calls.Add(self_);
  }

  // Nothing was sent for a while: say that we are alive.
  void SendHeartbeat(int64_t now_ms, int64_t quiet_ms) {
    std::lock_guard lock(mutex_);
    if (ending_.has_value() || is_writing_ || now_ms - written_at_ms_ < quiet_ms) return;
    outgoing_.push_back(EmptyMessage());
    WriteNext();
  }

  // Says this now or not at all: not while messages wait for the reader.
  void SendUnlessBehind(grpc::ByteBuffer message) {
    std::lock_guard lock(mutex_);
    if (ending_.has_value() || outgoing_.size() >= kFewMessages) return;
    const auto bytes = static_cast<int64_t>(message.Length());
    if (!edge_.outgoing.Take(*client(), bytes).ok()) return;
    outgoing_bytes_ += bytes;
    outgoing_.push_back(std::move(message));
    WriteNext();
  }

  // Runs `operation` unless the stream is finished and takes no operations any more.
  template <typename Operation>
  void UnlessFinished(Operation operation) {
    std::lock_guard lock(mutex_);
    if (!finished_) operation();
  }

  // The call is over: no operation may follow. `context_` still tells how it ended.
  virtual void OnOver() = 0;

  Edge& edge_;
  grpc::CallbackServerContext* const context_;

 private:
  // A burst may take its time to be read, a slow reader may not keep us at the bound.
  // REQUIRES: mutex_ is held.
  void EndIfTooSlow(int64_t now_ms) {
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

  // REQUIRES: mutex_ is held.
  void GiveBack(int64_t bytes) {
    outgoing_bytes_ -= bytes;
    edge_.outgoing.Return(*client(), bytes);
  }

  // REQUIRES: mutex_ is held.
  void BeginEnd(absl::Status status, bool drop) {
    if (drop) {
      for (const grpc::ByteBuffer& message : outgoing_) {
        GiveBack(static_cast<int64_t>(message.Length()));
      }
      outgoing_.clear();
    }
    if (!ending_.has_value()) ending_ = std::move(status);
    WriteNext();
  }

  // REQUIRES: mutex_ is held.
  void WriteNext() {
    if (is_writing_ || finished_) return;
    if (!outgoing_.empty()) {
      writing_ = std::move(outgoing_.front());
      outgoing_.pop_front();
      is_writing_ = true;
      written_at_ms_ = edge_.clock.NowMs();
      this->StartWrite(&writing_);
    } else if (ending_.has_value()) {
      finished_ = true;
      this->Finish(wire::ToGrpc(*ending_));
    }
  }

  // How many times the bound may wait for a reader for a short time.
  static constexpr int64_t kBurst = 8;
  // As many may wait on a stream whose reader keeps up.
  static constexpr size_t kFewMessages = 2;

  mutable std::mutex mutex_;
  std::deque<grpc::ByteBuffer> outgoing_;
  grpc::ByteBuffer writing_;  // gRPC's until OnWriteDone
  int64_t outgoing_bytes_ = 0;
  int64_t written_at_ms_ = 0;
  int64_t behind_since_ms_ = 0;  // more waits than should; 0: no more than that
  int64_t ending_since_ms_ = 0;
  bool is_writing_ = false;
  bool finished_ = false;               // Finish was called: no operation may follow
  bool done_ = false;                   // OnDone has begun: `context_` is about to go
  std::optional<absl::Status> ending_;  // finish with this when nothing waits
  std::shared_ptr<Call> self_;
};

}  // namespace treadle::rpc
