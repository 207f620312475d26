#include "server/rpc/unary_call.h"

#include <exception>

#include "absl/strings/str_cat.h"

#include "proto/wire/disk_hung.h"
#include "proto/wire/metadata.h"
#include "proto/wire/settings.h"
#include "proto/wire/status.h"
#include "server/rpc/disk_watch.h"
#include "server/rpc/message.h"
#include "server/rpc/requests.h"

namespace treadle::rpc {
namespace {

// Of an answer. Fewer are looked after only while many calls are open: they take no more than a
// call.
constexpr int64_t kWatchedBytes = 4 << 10;

// How long a call waits for a disk that hangs, and how long before its own deadline it ends: two
// looks at the disk.
constexpr int64_t kWaitForDiskMs = 10'000;
constexpr std::chrono::milliseconds kBeforeDeadline{2 * DiskWatch::kLookMs};

}  // namespace

UnaryCall::UnaryCall(Edge& edge, grpc::CallbackServerContext* context, const Method& method)
    : Call(edge.calls, context->peer()),
      edge_(edge),
      context_(context),
      method_(method),
      wait_(edge.clock.NowMs()),
      begun_at_ms_(edge.clock.NowMs()),
      deadline_(context->deadline()) {}

void UnaryCall::Begin(absl::Status status) {
  self_ = shared_from_this();
  if (absl::Status s = edge_.calls.Add(self_); !s.ok()) status = std::move(s);
  if (status.ok()) {
    StartRead(&request_);
  } else {
    End(std::move(status));
  }
}

void UnaryCall::OnReadDone(bool ok) {
  has_message_ = true;
  edge_.calls.StopBeat(*this);
  if (finished_) return;
  absl::Status status;
  try {
    status = ok ? method_.handle(*this, request_) : NoMessageError();
  } catch (const std::exception& error) {
    status = Unexpected(error);
  }
  request_.Clear();
  if (!status.ok()) End(std::move(status));
}

std::string_view UnaryCall::Metadata(std::string_view name) const {
  const auto& all = context_->client_metadata();
  const auto found = all.find(grpc::string_ref(name.data(), name.size()));
  if (found == all.end()) return {};
  return {found->second.data(), found->second.size()};
}

void UnaryCall::Beat(int64_t now_ms) {
  if (!finished_) {
    if (has_message_) return;
    absl::Status status = wait_.Check(*client(), now_ms, edge_.options.first_message_ms);
    if (!status.ok()) End(std::move(status));
  } else if (ended_at_ms_ == 0) {
    ended_at_ms_ = now_ms;
  } else if (now_ms - ended_at_ms_ > TakenWithinMs()) {
    BreakOff();  // its client does not take the answer
  }
}

int64_t UnaryCall::TakenWithinMs() const {
  const int64_t bytes = outgoing_bytes_;
  return bytes == 0 ? wire::kPeerSilentMs : edge_.outgoing.ReadWithinMs(bytes);
}

void UnaryCall::Deliver(broker::Delivery& delivery) {
  if (on_delivery_) on_delivery_(*this, delivery);
}

absl::StatusOr<engine::Actor> UnaryCall::actor() const {
  engine::Actor actor{.name = std::string(Metadata(wire::kActorMetadata)), .peer = peer()};
  if (absl::Status s = ValidateOptionalName(wire::kActorMetadata, actor.name); !s.ok()) return s;
  return actor;
}

bool UnaryCall::BeginAnswer() {
  if (finished_.exchange(true)) return false;
  Answered();
  return true;
}

void UnaryCall::End(absl::Status status) {
  if (BeginAnswer()) Finish(wire::ToGrpc(status));
}

bool UnaryCall::Reply(const google::protobuf::MessageLite& response) {
  if (!BeginAnswer()) return false;
  const auto bytes = static_cast<int64_t>(response.ByteSizeLong());
  if (absl::Status s = edge_.outgoing.Take(*client(), bytes); !s.ok()) {
    Finish(wire::ToGrpc(s));
    return false;
  }
  outgoing_bytes_ = bytes;
  response_ = Serialize(response);
  if (bytes >= kWatchedBytes) edge_.calls.StartBeat(shared_from_this());
  StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
  return true;
}

void UnaryCall::After(int64_t delay_ms, absl::AnyInvocable<void(UnaryCall&)> callback) {
  timer_ = edge_.pulse.After(delay_ms,
                             [weak = weak_from_this(), callback = std::move(callback)]() mutable {
                               const auto self = std::static_pointer_cast<UnaryCall>(weak.lock());
                               if (self != nullptr && !self->finished_) callback(*self);
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
  if (absl::Status s = edge_.broker.Post(lane, std::move(requests)); !s.ok()) {
    Unpark();
    End(std::move(s));
  }
}

void UnaryCall::Post(broker::Lane lane, broker::Request request) {
  std::vector<broker::Request> requests;
  requests.push_back(std::move(request));
  Post(lane, std::move(requests));
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
  if (parked_) (void)edge_.broker.Post(parked_in_, ToRequest(engine::CallClosed{id()}));
  edge_.calls.Remove(*this);
}

}  // namespace treadle::rpc
