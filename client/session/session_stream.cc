#include "client/session/session_stream.h"

#include <utility>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "proto/support/limits.h"
#include "proto/wire/status.h"

namespace treadle::client {
namespace {

constexpr char kMethod[] = "/treadle.v1.TaskService/Session";

// A slice that owns the string, without copying it.
grpc::Slice SliceOf(std::string bytes) {
  auto* const owned = new std::string(std::move(bytes));
  return grpc::Slice(
      owned->data(), owned->size(), [](void* string) { delete static_cast<std::string*>(string); },
      owned);
}

google::protobuf::ArenaOptions IncomingArena() {
  google::protobuf::ArenaOptions options;
  options.max_block_size = 256 * limits::kKiB;
  return options;
}

}  // namespace

IncomingMessage::IncomingMessage()
    : arena(IncomingArena()),
      response(google::protobuf::Arena::CreateMessage<v1::SessionResponse>(&arena)) {}

SessionStream::SessionStream(const std::shared_ptr<grpc::Channel>& channel, StreamEvents& events)
    : events_(events), incoming_(std::make_unique<IncomingMessage>()) {
  grpc::TemplatedGenericStub<grpc::ByteBuffer, v1::SessionResponse> stub(channel);
  stub.PrepareBidiStreamingCall(&context_, kMethod, grpc::StubOptions(), this);
  // For what the owner starts outside of reactions; Close gives it back.
  AddHold();
  StartRead(incoming_->response);
  StartCall();
}

void SessionStream::Write(std::string message) {
  const grpc::Slice slice = SliceOf(std::move(message));
  outgoing_ = grpc::ByteBuffer(&slice, 1);
  StartWrite(&outgoing_);
}

void SessionStream::ReadOn() { StartRead(incoming_->response); }

void SessionStream::WritesDone() { StartWritesDone(); }

void SessionStream::Cancel() { context_.TryCancel(); }

void SessionStream::Close() { RemoveHold(); }

void SessionStream::OnReadDone(bool ok) {
  if (!ok) {
    events_.OnBroken();
    return;
  }
  std::unique_ptr<IncomingMessage> message =
      std::exchange(incoming_, std::make_unique<IncomingMessage>());
  if (events_.OnMessage(std::move(message))) StartRead(incoming_->response);
}

void SessionStream::OnWriteDone(bool ok) {
  // A write that failed is followed by a read that fails.
  if (ok) events_.OnWritten();
}

void SessionStream::OnDone(const grpc::Status& status) {
  // The owner may destroy this as soon as it is told.
  StreamEvents& events = events_;
  events.OnEnded(wire::FromGrpc(status));
}

}  // namespace treadle::client
