#include "worker/session/attach_stream.h"

#include <utility>

#include "proto/wire/status.h"

namespace treadle::worker {

AttachStream::AttachStream(std::shared_ptr<grpc::Channel> channel,
                           std::shared_ptr<Listener> listener)
    : channel_(std::move(channel)),
      stub_(v1::WorkerService::NewStub(channel_)),
      listener_(std::move(listener)) {}

std::unique_ptr<AttachStream> AttachStream::Open(std::shared_ptr<grpc::Channel> channel,
                                                 std::shared_ptr<Listener> listener,
                                                 const v1::AttachRequest& hello) {
  std::unique_ptr<AttachStream> stream(new AttachStream(std::move(channel), std::move(listener)));
  stream->stub_->async()->Attach(&stream->context_, stream.get());
  stream->AddHold();
  stream->StartWrite(&hello);
  stream->StartRead(&stream->response_);
  stream->StartCall();
  return stream;
}

bool AttachStream::Write(const v1::AttachRequest& message) {
  std::lock_guard lock(mutex_);
  if (held_) StartWrite(&message);
  return held_;
}

void AttachStream::WritesDone() {
  std::lock_guard lock(mutex_);
  if (held_) StartWritesDone();
}

void AttachStream::OnReadDone(bool ok) {
  if (!ok) {
    LetGo();
    return;
  }
  listener_->Received(response_);
  StartRead(&response_);
}

void AttachStream::OnWriteDone(bool ok) { listener_->Written(ok); }

void AttachStream::OnDone(const grpc::Status& status) {
  // The owner may destroy this as soon as it is told.
  const std::shared_ptr<Listener> listener = listener_;
  listener->Ended(wire::FromGrpc(status));
}

// Nothing more will arrive: the call may end as soon as no write is under way.
void AttachStream::LetGo() {
  {
    std::lock_guard lock(mutex_);
    if (!std::exchange(held_, false)) return;
  }
  RemoveHold();
}

}  // namespace treadle::worker
