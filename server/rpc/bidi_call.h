#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

#include "server/broker/broker.h"
#include "server/broker/stream_input.h"
#include "server/rpc/edge.h"
#include "server/rpc/message_wait.h"
#include "server/rpc/stream_call.h"

namespace treadle::rpc {

// A bidirectional stream: reads one message after the other, beats, and ends peers that are silent
// or never begin.
//
// While the broker has no room for more the stream reads no further, so that TCP holds the client
// back.
class BidiCall : public StreamCall {
 public:
  // Called once, right after construction, before gRPC has the reactor.
  void Begin();

  void Deliver(broker::Delivery& delivery) final;

  void OnReadDone(bool ok) final;
  void Beat(int64_t now_ms) final;
  void DiskHangs(int64_t now_ms, int64_t hung_ms) final;

 protected:
  BidiCall(Edge& edge, grpc::CallbackServerContext* context, broker::Lane lane);

  // Something for this call, in order, on the outbox's thread.
  virtual void Hear(broker::Delivery& delivery) = 0;
  // One message, on a gRPC thread; one at a time. What is to be told to the broker is given to
  // Post. A status that is not OK ends the stream.
  virtual absl::Status OnMessage(const grpc::ByteBuffer& message) = 0;
  // The name of the field that a first message carries: "hello".
  virtual const char* first_field() const = 0;

  // A message that tells so: see disk_hung_ms in the proto files.
  virtual grpc::ByteBuffer DiskHungMessage(int64_t hung_ms) const = 0;
  // A message has been arriving for a while, and is not whole yet: not the first one. On the
  // pulse's thread, a few times a second.
  virtual void OnArriving() {}
  // On the pulse's thread, each 100 ms.
  virtual void OnBeat() {}

  // Hands the requests over; reading goes on when the broker has room for more. From OnMessage, or
  // while reading is held.
  void Post(std::vector<broker::Request> requests);
  // No further message is read until ResumeReading, which any thread may call, once for each
  // HoldReading. From OnMessage.
  void HoldReading() { input_.Hold(); }
  void ResumeReading();
  // What the broker must know of the stream's end. From OnOver, or when the end has begun and what
  // comes is not sent any more; the first counts.
  void PostLast(std::vector<broker::Request> requests) { input_.Close(std::move(requests)); }
  // The first message was good: from now on heartbeats are sent.
  void Greeted() { greeted_ = true; }
  // The client has closed its side; false when the stream broke. Valid in OnOver.
  bool client_finished() const { return client_closed_ && !context_->IsCancelled(); }

 private:
  // Ends the stream of a client that has become silent; tells others that we are here.
  void Listen(int64_t now_ms);
  bool IsArriving(int64_t now_ms);

  MessageWait wait_;  // for the first
  broker::StreamInput input_;
  grpc::ByteBuffer reading_;  // gRPC's between StartRead and OnReadDone
  std::atomic<bool> greeted_{false};
  std::atomic<bool> begun_{false};  // the first message has come
  std::atomic<bool> client_closed_{false};
  std::atomic<int64_t> heard_at_ms_{0};
  int64_t arriving_at_ms_ = 0;  // the pulse's thread's
};

}  // namespace treadle::rpc
