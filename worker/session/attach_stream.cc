#include "worker/session/attach_stream.h"

#include <utility>

#include "proto/wire/status.h"

namespace treadle::worker {

AttachStream::AttachStream(std::shared_ptr<grpc::Channel> channel, wire::EventQueue& queue,
                           Listener& listener, const v1::AttachRequest& hello)
    : channel_(std::move(channel)),
      stub_(v1::WorkerService::NewStub(channel_)),
      listener_(listener) {
  Start(stub_->PrepareAsyncAttach(&context(), &queue.queue()));
  Write(hello);
  StartRead(&response_);
}

void AttachStream::OnRead(bool ok) {
  if (!ok) {
    // Nothing more will arrive: the call may end as soon as no write is under way.
    Finish();
    return;
  }
  listener_.Received(response_);
  StartRead(&response_);
}

void AttachStream::OnEnded(const grpc::Status& status) { listener_.Ended(wire::FromGrpc(status)); }

}  // namespace treadle::worker
