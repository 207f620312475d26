#include "server/rpc/unary_call.h"

#include "proto/wire/status.h"
#include "server/rpc/requests.h"

namespace treadle::rpc {

UnaryCall::UnaryCall(Edge& edge, grpc::CallbackServerContext* context, grpc::ByteBuffer* response)
    : Call(edge.calls.NewId(), context->peer()), edge_(edge), response_(response) {}

absl::Status UnaryCall::Register() {
  self_ = shared_from_this();
  return edge_.calls.Add(self_);
}

void UnaryCall::Deliver(broker::Delivery& delivery) {
  if (on_delivery_) on_delivery_(*this, delivery);
}

void UnaryCall::End(absl::Status status) {
  if (!finished_.exchange(true)) Finish(wire::ToGrpc(status));
}

bool UnaryCall::Reply(const google::protobuf::MessageLite& response) {
  if (finished_.exchange(true)) return false;
  *response_ = Serialize(response);
  Finish(grpc::Status::OK);
  return true;
}

void UnaryCall::ReplyAfter(int64_t delay_ms,
                           std::shared_ptr<const google::protobuf::MessageLite> response) {
  timer_ = edge_.pulse.After(delay_ms, [weak = weak_from_this(), response = std::move(response)] {
    const auto self = std::static_pointer_cast<UnaryCall>(weak.lock());
    if (self != nullptr) self->Reply(*response);
  });
}

void UnaryCall::Post(broker::Lane lane, std::vector<broker::Request> requests) {
  lane_ = lane;
  EndIfRefused(edge_.broker.Post(lane, std::move(requests)));
}

void UnaryCall::Post(broker::Lane lane, broker::Request request) {
  lane_ = lane;
  EndIfRefused(edge_.broker.Post(lane, std::move(request)));
}

void UnaryCall::EndIfRefused(absl::Status status) {
  if (!status.ok()) End(std::move(status));
}

void UnaryCall::OnCancel() { End(absl::CancelledError("the client has gone")); }

void UnaryCall::OnDone() {
  const std::shared_ptr<Call> last = std::move(self_);
  if (timer_.has_value()) edge_.pulse.Cancel(*timer_);
  if (parked_) (void)edge_.broker.Post(lane_, ToRequest(engine::CallClosed{id()}));
  edge_.calls.Remove(*this);
}

}  // namespace treadle::rpc
