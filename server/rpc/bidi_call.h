#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

#include "server/broker/broker.h"
#include "server/rpc/edge.h"
#include "server/rpc/stream_call.h"

namespace treadle::rpc {

// A bidirectional stream: reads one message after the other, beats, and ends peers that are silent
// or never begin.
//
// While the broker's inbox is full the stream reads no further, so that TCP holds the client back.
class BidiCall : public StreamCall<grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>> {
 public:
  // Called once, right after construction, before gRPC has the reactor.
  void Begin();

  void OnReadDone(bool ok) final;
  void Beat(int64_t now_ms) final;

 protected:
  using StreamCall::StreamCall;

  // One message, on a gRPC thread; one at a time. What is to be told to the broker is given to
  // Post. A status that is not OK ends the stream.
  virtual absl::Status OnMessage(const grpc::ByteBuffer& message) = 0;
  // The name of the field that a first message carries: "hello".
  virtual const char* first_field() const = 0;

  // Hands the requests over; reading goes on when the broker has taken them. From OnMessage, or
  // while reading is held.
  void Post(std::vector<broker::Request> requests);
  // No further message is read until ResumeReading, which any thread may call, once for each
  // HoldReading. From OnMessage.
  void HoldReading() { ++holds_; }
  void ResumeReading();
  // The first message was good: from now on heartbeats are sent.
  void Greeted() { greeted_ = true; }
  // The client has closed its side; false when the stream broke. Valid in OnOver.
  bool client_finished() const { return client_closed_ && !context_->IsCancelled(); }

 private:
  bool TryPost();
  void RetryPost();

  grpc::ByteBuffer reading_;               // gRPC's between StartRead and OnReadDone
  std::vector<broker::Request> unposted_;  // the broker would not take them yet
  std::atomic<int> holds_{1};              // 0: a read is out
  std::atomic<bool> greeted_{false};
  std::atomic<bool> begun_{false};  // the first message has come
  std::atomic<bool> client_closed_{false};
  std::atomic<int64_t> heard_at_ms_{0};
};

}  // namespace treadle::rpc
