#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include <grpcpp/grpcpp.h>

#include "server/rpc/edge.h"
#include "server/rpc/message_wait.h"
#include "server/rpc/stream_call.h"

namespace treadle::rpc {

// A stream that says what it was asked for. Its first message must come in time; then the client
// may be silent for as long as it likes.
class AskedStream : public StreamCall {
 public:
  // Called once, right after construction, before gRPC has the reactor.
  void Begin();

  void Deliver(broker::Delivery& /*delivery*/) override {}

  void OnReadDone(bool ok) final;
  void Beat(int64_t now_ms) override;

 protected:
  AskedStream(Edge& edge, grpc::CallbackServerContext* context);

  // A message, on a gRPC thread; one at a time. A status that is not OK ends the stream.
  virtual absl::Status OnQuestion(const grpc::ByteBuffer& message) = 0;
  // There may be another one. Once for each question, in OnQuestion or after it.
  void ReadNext();

 private:
  grpc::ByteBuffer reading_;  // gRPC's between StartRead and OnReadDone
  MessageWait wait_;
  std::atomic<bool> begun_{false};  // the first message has come
};

}  // namespace treadle::rpc
