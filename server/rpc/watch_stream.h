#pragma once

#include "server/rpc/asked_stream.h"
#include "server/rpc/convert.h"

namespace treadle::rpc {

// TaskService.WatchTask: a task now, at each change, and its outcome.
class WatchStream final : public AskedStream {
 public:
  WatchStream(Edge& edge, grpc::CallbackServerContext* context);

  void Deliver(broker::Delivery& delivery) override;

 protected:
  absl::Status OnQuestion(const grpc::ByteBuffer& message) override;
  void OnOver() override;

 private:
  bool asked_ = false;  // the broker keeps something for this call
};

}  // namespace treadle::rpc
