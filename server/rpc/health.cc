#include "server/rpc/health.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include <grpc/health/v1/health.pb.h>

#include "proto/support/utf8.h"
#include "server/rpc/asked_stream.h"
#include "server/rpc/methods.h"

namespace treadle::rpc {
namespace {

namespace health = grpc::health::v1;

health::HealthCheckResponse MakeResponse(bool is_serving) {
  health::HealthCheckResponse response;
  response.set_status(is_serving ? health::HealthCheckResponse::SERVING
                                 : health::HealthCheckResponse::NOT_SERVING);
  return response;
}

// Empty: the whole server.
bool IsServed(const Edge& edge, const std::string& service) {
  return service.empty() ||
         std::find(edge.services.begin(), edge.services.end(), service) != edge.services.end();
}

absl::Status Check(Edge& edge, UnaryCall& call, health::HealthCheckRequest& request) {
  if (!IsServed(edge, request.service())) {
    return absl::NotFoundError(absl::StrCat("service: there is no '",
                                            CutMiddle(request.service(), kShownBytes),
                                            "' here; leave it empty to ask for the whole server"));
  }
  call.Reply(MakeResponse(edge.health.is_serving()));
  return absl::OkStatus();
}

}  // namespace

// Health.Watch: how it is, and each change.
class HealthStream final : public AskedStream {
 public:
  HealthStream(Edge& edge, grpc::CallbackServerContext* context) : AskedStream(edge, context) {}

  bool is_about_health() const override { return true; }

  void Tell(bool is_serving) { Send(Serialize(MakeResponse(is_serving))); }

 protected:
  absl::Status OnQuestion(const grpc::ByteBuffer& message) override {
    health::HealthCheckRequest request;
    if (absl::Status s = Parse(message, edge_.message_bytes_max(), request); !s.ok()) return s;
    if (IsServed(edge_, request.service())) {
      edge_.health.Watch(std::static_pointer_cast<HealthStream>(shared_from_this()));
    } else {
      health::HealthCheckResponse unknown;
      unknown.set_status(health::HealthCheckResponse::SERVICE_UNKNOWN);
      Send(Serialize(unknown));
    }
    return absl::OkStatus();
  }
  void OnOver() override { edge_.health.Leave(*this); }
};

void Health::Set(bool is_serving) {
  std::lock_guard lock(mutex_);
  if (ended_ || is_serving_.exchange(is_serving) == is_serving) return;
  Tell();
}

void Health::End() {
  std::lock_guard lock(mutex_);
  ended_ = true;
  if (is_serving_.exchange(false)) Tell();
}

void Health::Watch(const std::shared_ptr<HealthStream>& stream) {
  std::lock_guard lock(mutex_);
  stream->Tell(is_serving_);
  watchers_.emplace(stream->id(), stream);
}

void Health::Leave(const HealthStream& stream) {
  std::lock_guard lock(mutex_);
  watchers_.erase(stream.id());
}

void Health::Tell() {
  for (const auto& [id, watcher] : watchers_) {
    if (const auto stream = watcher.lock()) stream->Tell(is_serving_);
  }
}

void ServeHealth(Methods& methods) {
  Service health(methods, kHealthService);
  health.Unary("Check", Check);
  health.Stream<HealthStream>("Watch");
}

}  // namespace treadle::rpc
