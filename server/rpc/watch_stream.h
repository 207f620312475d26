#pragma once

#include "server/rpc/convert.h"
#include "server/rpc/stream_call.h"

namespace treadle::rpc {

// TaskService.WatchTask: a task now, at each change, and its outcome.
class WatchStream final : public StreamCall<grpc::ServerWriteReactor<grpc::ByteBuffer>> {
 public:
  WatchStream(Edge& edge, grpc::CallbackServerContext* context);

  // Called once, right after construction, before gRPC has the reactor.
  void Begin(const grpc::ByteBuffer& request);

  void Deliver(broker::Delivery& delivery) override;

 protected:
  void OnOver() override;

 private:
  absl::Status Start(const grpc::ByteBuffer& request);

  bool asked_ = false;  // the broker keeps something for this call
};

}  // namespace treadle::rpc
