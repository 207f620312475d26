#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/status/status.h"
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include "server/rpc/call.h"
#include "server/rpc/edge.h"
#include "server/rpc/message.h"

namespace treadle::rpc {

// The sending side of a streaming call. gRPC takes one message at a time; the others wait here, up
// to a bound. Ends with a status when all of them are sent.
//
// gRPC's reactions run on any of its threads, several at once: what they share has one mutex.
class StreamCall : public Call, public grpc::ServerGenericBidiReactor {
 public:
  bool is_stream() const override { return true; }

  // Queues a message. When the reader is too far behind, or its connection has too much unread,
  // ends the stream with RESOURCE_EXHAUSTED: the client opens it again and asks for what it has
  // missed. Does nothing after the end.
  void Send(grpc::ByteBuffer message);
  // Says this now or not at all: not while messages wait for the reader.
  void SendUnlessBehind(grpc::ByteBuffer message);

  void End(absl::Status status) override;
  void BreakOff() override;

  bool ended() const;
  // It ends with an error, and what comes for it is not sent any more.
  bool failed() const;

  void OnWriteDone(bool ok) final;
  void OnCancel() final;
  void OnDone() final;
  void Beat(int64_t now_ms) override;

 protected:
  StreamCall(Edge& edge, grpc::CallbackServerContext* context);

  // Registers the call, which then holds itself until OnDone.
  absl::Status Register();

  // Nothing was sent for a while: say that we are alive.
  void SendHeartbeat(int64_t now_ms, int64_t quiet_ms);

  // Runs `operation` unless the stream is finished and takes no operations any more.
  template <typename Operation>
  void UnlessFinished(Operation operation) {
    std::lock_guard lock(mutex_);
    if (!finished_) operation();
  }

  // A message was written, or cannot be.
  virtual void OnWritten() {}
  // The call is over: no operation may follow. `context_` still tells how it ended.
  virtual void OnOver() {}

  Edge& edge_;
  grpc::CallbackServerContext* const context_;

 private:
  // All of them REQUIRE: mutex_ is held.

  // A burst may take its time to be read, a slow reader may not keep us at the bound.
  void EndIfTooSlow(int64_t now_ms);
  // Nor may one that speaks, but does not read at all, keep what others could have sent.
  void EndIfNotRead(int64_t now_ms);
  void GiveBack(int64_t bytes);
  void BeginEnd(absl::Status status, bool drop);
  void WriteNext();

  mutable std::mutex mutex_;
  std::deque<grpc::ByteBuffer> outgoing_;
  grpc::ByteBuffer writing_;  // gRPC's until OnWriteDone
  int64_t outgoing_bytes_ = 0;
  int64_t written_at_ms_ = 0;
  int64_t behind_since_ms_ = 0;  // more waits than should; 0: no more than that
  int64_t ending_since_ms_ = 0;  // 0: not seen yet, or a message has been read since
  bool is_writing_ = false;
  bool finished_ = false;               // Finish was called: no operation may follow
  bool done_ = false;                   // OnDone has begun: `context_` is about to go
  std::optional<absl::Status> ending_;  // finish with this when nothing waits
  std::shared_ptr<Call> self_;
};

}  // namespace treadle::rpc
