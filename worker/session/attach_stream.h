#pragma once

#include <memory>

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

#include "proto/wire/event_queue.h"
#include "proto/wire/streaming_call.h"
#include "treadle/v1/worker_service.grpc.pb.h"

namespace treadle::worker {

// One Attach call, from its beginning to its end, over a connection of its own. All happens on one
// thread, the owner's, which waits at the queue; it destroys this after Ended was called.
class AttachStream final : private wire::StreamingCall<v1::AttachRequest, v1::AttachResponse> {
 public:
  // Ended comes last.
  class Listener {
   public:
    virtual ~Listener() = default;
    // May take the response's parts.
    virtual void Received(v1::AttachResponse& response) = 0;
    virtual void Written(bool ok) = 0;
    virtual void Ended(const absl::Status& status) = 0;
  };

  // Starts the call, with `hello` as its first message. The queue and the listener outlive it.
  AttachStream(std::shared_ptr<grpc::Channel> channel, wire::EventQueue& queue, Listener& listener,
               const v1::AttachRequest& hello);

  // Writes one message. REQUIRES: no other is being written.
  void Write(const v1::AttachRequest& message) { StartWrite(message); }
  // Nothing more will be written: the broker ends the call then. REQUIRES: as Write.
  void WritesDone() { StartWritesDone(); }
  // Ends the call from this side, soon. Thread-safe.
  using StreamingCall::Cancel;

 private:
  void OnRead(bool ok) override;
  void OnWritten(bool ok) override { listener_.Written(ok); }
  void OnEnded(const grpc::Status& status) override;

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  Listener& listener_;
  v1::AttachResponse response_;  // being read, or looked at by Received
};

}  // namespace treadle::worker
