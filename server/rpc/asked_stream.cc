#include "server/rpc/asked_stream.h"

#include <exception>
#include <utility>

namespace treadle::rpc {

AskedStream::AskedStream(Edge& edge, grpc::CallbackServerContext* context)
    : StreamCall(edge, context), wait_(edge.clock.NowMs()) {}

void AskedStream::Begin() {
  if (absl::Status status = Register(); !status.ok()) {
    End(std::move(status));
    return;
  }
  ReadNext();
}

void AskedStream::ReadNext() {
  UnlessFinished([this] { StartRead(&reading_); });
}

void AskedStream::OnReadDone(bool ok) {
  if (!ok) {
    // Reads also fail once this end has ended the call, which then keeps its status.
    End(begun_ ? absl::OkStatus() : NoMessageError());
    return;
  }
  begun_ = true;
  const grpc::ByteBuffer message = std::move(reading_);
  reading_.Clear();
  absl::Status status;
  try {
    status = OnQuestion(message);
  } catch (const std::exception& error) {
    status = Unexpected(error);
  }
  if (!status.ok()) End(std::move(status));
}

void AskedStream::Beat(int64_t now_ms) {
  if (!begun_ && !ended()) {
    absl::Status status = wait_.Check(*client(), now_ms, edge_.options.first_message_ms);
    if (!status.ok()) End(std::move(status));
  }
  StreamCall::Beat(now_ms);
}

}  // namespace treadle::rpc
