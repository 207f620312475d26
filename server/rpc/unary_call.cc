#include "server/rpc/unary_call.h"

#include "absl/strings/str_cat.h"

#include "proto/wire/disk_hung.h"
#include "proto/wire/status.h"
#include "server/rpc/disk_watch.h"
#include "server/rpc/requests.h"

namespace treadle::rpc {
namespace {

// gRPC and the sockets take as much from whoever reads.
constexpr int64_t kWatchedBytes = 64 << 10;

// How long a call waits for a disk that hangs, and how long before its own deadline it ends: two
// looks at the disk.
constexpr int64_t kWaitForDiskMs = 10'000;
constexpr std::chrono::milliseconds kBeforeDeadline{2 * DiskWatch::kLookMs};

}  // namespace

UnaryCall::UnaryCall(Edge& edge, grpc::CallbackServerContext* context, grpc::ByteBuffer* response)
    : Call(edge.calls, context->peer()),
      edge_(edge),
      context_(context),
      response_(response),
      begun_at_ms_(edge.clock.NowMs()),
      deadline_(context->deadline()) {}

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
  const auto bytes = static_cast<int64_t>(response.ByteSizeLong());
  if (absl::Status s = edge_.outgoing.Take(*client(), bytes); !s.ok()) {
    Finish(wire::ToGrpc(s));
    return false;
  }
  outgoing_bytes_ = bytes;
  *response_ = Serialize(response);
  if (bytes >= kWatchedBytes) edge_.outgoing.Watch(shared_from_this(), edge_.clock.NowMs());
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

void UnaryCall::BreakOff() {
  std::lock_guard lock(done_mutex_);
  if (!done_) context_->TryCancel();
}

void UnaryCall::DiskHangs(int64_t now_ms, int64_t hung_ms) {
  if (now_ms - begun_at_ms_ < kWaitForDiskMs &&
      deadline_ - std::chrono::system_clock::now() > kBeforeDeadline) {
    return;
  }
  End(absl::DeadlineExceededError(absl::StrCat(
      wire::DiskHungText(hung_ms),
      ": what was asked waits for it and may still be stored; ask again as after a lost connection "
      "(a submit with the same request key, a report with the same token)")));
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
  {
    std::lock_guard lock(done_mutex_);
    done_ = true;
  }
  if (outgoing_bytes_ > 0) edge_.outgoing.Return(*client(), outgoing_bytes_);
  if (parked_) (void)edge_.broker.Post(lane_, ToRequest(engine::CallClosed{id()}));
  edge_.calls.Remove(*this);
}

}  // namespace treadle::rpc
