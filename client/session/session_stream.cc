#include "client/session/session_stream.h"

#include <utility>

#include <grpcpp/generic/generic_stub.h>

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

SessionStream::SessionStream(const std::shared_ptr<grpc::Channel>& channel, wire::EventQueue& queue,
                             StreamEvents& events)
    : events_(events), incoming_(std::make_unique<IncomingMessage>()) {
  grpc::TemplatedGenericStub<grpc::ByteBuffer, v1::SessionResponse> stub(channel);
  Start(stub.PrepareCall(&context(), kMethod, &queue.queue()));
}

void SessionStream::Write(std::string message) {
  const grpc::Slice slice = SliceOf(std::move(message));
  StartWrite(grpc::ByteBuffer(&slice, 1));
  if (!std::exchange(begun_, true)) ReadOn();
}

void SessionStream::OnRead(bool ok) {
  if (!ok) {
    events_.OnBroken();
    return;
  }
  std::unique_ptr<IncomingMessage> message =
      std::exchange(incoming_, std::make_unique<IncomingMessage>());
  if (events_.OnMessage(std::move(message))) ReadOn();
}

void SessionStream::OnWritten(bool ok) {
  // A write that failed is followed by a read that fails.
  if (ok) events_.OnWritten();
}

void SessionStream::OnEnded(const grpc::Status& status) { events_.OnEnded(wire::FromGrpc(status)); }

}  // namespace treadle::client
