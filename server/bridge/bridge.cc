#include "server/bridge/bridge.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include <grpcpp/generic/generic_stub.h>

#include "proto/support/trace_context.h"
#include "proto/support/utf8.h"
#include "proto/wire/metadata.h"
#include "proto/wire/status.h"
#include "server/bridge/connect_protocol.h"
#include "server/bridge/methods.h"
#include "server/bridge/origin.h"

namespace treadle::bridge {
namespace {

using google::protobuf::MethodDescriptor;
using std::chrono::system_clock;

constexpr int kOk = 200;
constexpr size_t kPathBytesShown = 100;

// "/treadle.v1.QueueService/ListQueues"
const MethodDescriptor* MethodOf(const httplib::Request& request) {
  return FindMethod(std::string(absl::StripPrefix(request.path, "/")));
}

std::string NameOf(const MethodDescriptor& method) {
  return absl::StrCat(method.service()->full_name(), "/", method.name());
}

absl::Status CheckMethod(const MethodDescriptor* method, const std::string& path, bool actions) {
  if (method == nullptr) {
    return absl::UnimplementedError(absl::StrCat("there is no method '",
                                                 CutMiddle(path, kPathBytesShown),
                                                 "': the path is /treadle.v1.SERVICE/METHOD, as in "
                                                 "/treadle.v1.QueueService/ListQueues"));
  }
  const std::string name = NameOf(*method);
  if (method->client_streaming() || method->server_streaming()) {
    return absl::UnimplementedError(
        absl::StrCat(name, " is a stream, which is not to be had over HTTP: call it over gRPC"));
  }
  if (!actions && EffectOf(name) == Effect::kChanges) {
    return absl::PermissionDeniedError(
        absl::StrCat(name,
                     " changes something, and this port only shows: start the broker with "
                     "--dashboard-actions, or call it over gRPC"));
  }
  return absl::OkStatus();
}

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToBytes(const grpc::ByteBuffer& buffer) {
  std::string bytes;
  bytes.reserve(buffer.Length());
  std::vector<grpc::Slice> slices;
  (void)buffer.Dump(&slices);
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

absl::Status Stops() {
  return absl::UnavailableError("the broker stops: ask again when it has been started");
}

// What gRPC itself ends a call with says neither whose bound it was nor what to do.
absl::Status Explain(const grpc::Status& status, bool is_late, int64_t timeout_ms) {
  const bool is_over = status.error_code() == grpc::StatusCode::CANCELLED ||
                       status.error_message() == "Deadline Exceeded";
  if (is_over && is_late) {
    return absl::DeadlineExceededError(
        absl::StrCat("no answer within ", timeout_ms, " ms: wait longer with Connect-Timeout-Ms, ",
                     kTimeoutMsMax, " at most, or call it over gRPC"));
  }
  if (is_over) return Stops();
  if (absl::StartsWith(status.error_message(), "Received message larger than max")) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the answer has more than the ", Bridge::kResponseBytesMax,
                     " bytes that are sent over HTTP: ask for less at once, or over gRPC"));
  }
  return wire::FromGrpc(status);
}

}  // namespace

class Bridge::Place {
 public:
  Place(Bridge& bridge, grpc::ClientContext& context) : bridge_(bridge), context_(context) {
    std::lock_guard lock(bridge_.mutex_);
    if (bridge_.closed_) {
      status_ = Stops();
    } else if (bridge_.channel_ == nullptr) {
      status_ = absl::UnavailableError("the broker reads its store, and serves when it has");
    } else if (std::ssize(bridge_.calls_) >= bridge_.options_.calls_max) {
      status_ = absl::ResourceExhaustedError(absl::StrCat(
          bridge_.calls_.size(),
          " calls over HTTP are under way, half of --http-connections: try again, or use gRPC"));
    } else {
      bridge_.calls_.insert(&context_);
      channel_ = bridge_.channel_;
    }
  }
  ~Place() {
    std::lock_guard lock(bridge_.mutex_);
    bridge_.calls_.erase(&context_);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  const absl::Status& status() const { return status_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  Bridge& bridge_;
  grpc::ClientContext& context_;
  absl::Status status_;
  std::shared_ptr<grpc::Channel> channel_;
};

bool Bridge::Admits(const httplib::Request& request, httplib::Response& refusal) const {
  if (!IsJson(request)) {
    WriteNotJson(refusal);
    return false;
  }
  absl::Status status = CheckOrigin(request, options_.is_loopback);
  if (status.ok()) status = CheckMethod(MethodOf(request), request.path, options_.actions);
  if (status.ok()) status = CheckVersion(request);
  if (status.ok()) status = TimeoutMs(request).status();
  if (!status.ok()) WriteError(status, refusal);
  return status.ok();
}

void Bridge::Refuse(const absl::Status& why, httplib::Response& refusal) const {
  WriteError(why, refusal);
}

void Bridge::Answer(const httplib::Request& request, httplib::Response& response) {
  absl::StatusOr<std::string> answer = Call(*MethodOf(request), request);
  if (answer.ok()) {
    WriteJson(kOk, *std::move(answer), response);
  } else {
    WriteError(answer.status(), response);
  }
}

absl::StatusOr<std::string> Bridge::Call(const MethodDescriptor& method,
                                         const httplib::Request& request) {
  const absl::StatusOr<std::string> asked = FromJson(*method.input_type(), request.body);
  if (!asked.ok()) return asked.status();
  const absl::StatusOr<int64_t> timeout_ms = TimeoutMs(request);
  if (!timeout_ms.ok()) return timeout_ms.status();

  grpc::ClientContext context;
  const auto deadline = system_clock::now() + std::chrono::milliseconds(*timeout_ms);
  context.set_deadline(deadline);
  context.AddMetadata(wire::kActorMetadata, absl::StrCat("dashboard from ", request.remote_addr));
  const std::string trace_header(kTraceParent);
  if (const auto trace = ParseTraceParent(request.get_header_value(trace_header))) {
    context.AddMetadata(trace_header, FormatTraceParent(*trace));
  }
  const Place place(*this, context);
  if (!place.status().ok()) return place.status();

  const grpc::ByteBuffer sent = ToBuffer(*asked);
  grpc::ByteBuffer received;
  // The call's end holds it, too: it may still be about to return when this does.
  const auto ended = std::make_shared<std::promise<grpc::Status>>();
  grpc::GenericStub stub(place.channel());
  stub.UnaryCall(&context, absl::StrCat("/", NameOf(method)), grpc::StubOptions(), &sent, &received,
                 [ended](grpc::Status status) { ended->set_value(std::move(status)); });
  const grpc::Status status = ended->get_future().get();
  if (status.ok()) return ToJson(*method.output_type(), ToBytes(received));
  return Explain(status, system_clock::now() >= deadline, *timeout_ms);
}

void Bridge::Open(std::shared_ptr<grpc::Channel> channel) {
  std::lock_guard lock(mutex_);
  channel_ = std::move(channel);
}

void Bridge::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
}

void Bridge::End() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  for (grpc::ClientContext* const context : calls_) context->TryCancel();
}

grpc::ChannelArguments Bridge::NewChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kResponseBytesMax));
  return arguments;
}

}  // namespace treadle::bridge
