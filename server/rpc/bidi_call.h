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

// A bidirectional stream: reads one message after the other, answers those that say nothing, and
// ends peers that are silent or never begin.
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
  // `heartbeat_ms`: how often the peer says something while it has something to lose.
  BidiCall(Edge& edge, grpc::CallbackServerContext* context, broker::Lane lane,
           int64_t heartbeat_ms);

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
  // pulse's thread, again and again.
  virtual void OnArriving() {}

  // Hands the requests over; reading goes on when the broker has room for more. From OnMessage, or
  // while reading is held.
  void Post(std::vector<broker::Request> requests);
  // FlushAll at the next beat. The outbox's thread.
  void FlushAtBeat();
  // FlushAll is to come, by FlushAtBeat. Any thread.
  bool waits_for_beat() const { return waits_for_beat_; }
  // No further message is read until ResumeReading, which any thread may call, once for each
  // HoldReading. From OnMessage.
  void HoldReading() { input_.Hold(); }
  void ResumeReading();
  // What the broker must know of the stream's end. From OnOver, or when the end has begun and what
  // comes is not sent any more; the first counts.
  void PostLast(std::vector<broker::Request> requests) { input_.Close(std::move(requests)); }
  // The first message was good, and its answer is on its way: from now on heartbeats are sent.
  void Greeted();
  int64_t heartbeat_ms() const { return heartbeat_ms_; }
  // The client has closed its side; false when the stream broke. Valid in OnOver.
  bool client_finished() const { return client_closed_ && !context_->IsCancelled(); }

 private:
  // Ends the stream of a client that has become silent; tells those that we are here whose messages
  // we cannot answer, since they are not read, or not whole yet.
  void Listen(int64_t now_ms);
  bool IsArriving(int64_t now_ms);
  // Leases that are shorter need to be looked after more often.
  bool may_rest() const { return heartbeat_ms_ >= 2 * Calls::kRestingBeatMs; }

  const int64_t heartbeat_ms_;
  MessageWait wait_;  // for the first
  broker::StreamInput input_;
  grpc::ByteBuffer reading_;  // gRPC's between StartRead and OnReadDone
  std::atomic<bool> greeted_{false};
  std::atomic<bool> waits_for_beat_{false};
  std::atomic<bool> begun_{false};  // the first message has come
  std::atomic<bool> client_closed_{false};
  std::atomic<int64_t> heard_at_ms_{0};
  // The pulse's thread's.
  int64_t arriving_at_ms_ = 0;
  int64_t look_at_ms_ = 0;
};

}  // namespace treadle::rpc
