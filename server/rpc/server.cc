#include "server/rpc/server.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "proto/support/address.h"
#include "proto/support/assert.h"
#include "proto/wire/disk_hung.h"
#include "proto/wire/settings.h"
#include "server/rpc/acceptor.h"
#include "server/rpc/admin_service.h"
#include "server/rpc/calls.h"
#include "server/rpc/connections.h"
#include "server/rpc/disk_watch.h"
#include "server/rpc/edge.h"
#include "server/rpc/handler_table.h"
#include "server/rpc/outbox.h"
#include "server/rpc/outgoing.h"
#include "server/rpc/pulse.h"
#include "server/rpc/queue_service.h"
#include "server/rpc/requests.h"
#include "server/rpc/task_service.h"
#include "server/rpc/worker_service.h"

namespace treadle::rpc {
namespace {

// After it gRPC breaks the connections of those who do not take their status.
constexpr auto kShutdownLimit = std::chrono::seconds(2);

// Only reflection uses gRPC's blocking threads, one for each open reflection stream.
constexpr int kBlockingThreadsMax = 16;

// A client that goes beyond its bound is told so, some calls long; then it waits.
constexpr int64_t kCallsToRefuse = 100;

}  // namespace

class Server::Impl {
 public:
  Impl(Options options, const Clock& clock)
      : options_(std::move(options)),
        clock_(clock),
        connections_(options_.connections_max),
        calls_(options_, connections_, clock_),
        acceptor_(connections_, clock_),
        outbox_(calls_),
        outgoing_(options_.outgoing_bytes_sum_max) {}

  CallOutbox& outbox() { return outbox_; }

  absl::Status Start(broker::Broker& broker, const store::Store& store) {
    TREADLE_ASSERT(!edge_.has_value());
    const absl::StatusOr<Address> address = ParseAddress(options_.listen, /*port_min=*/0);
    if (!address.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--listen: ", address.status().message()));
    }
    address_ = *address;
    if (absl::Status s = acceptor_.Listen(address_); !s.ok()) return s;

    pulse_.emplace(calls_, outgoing_, clock_);
    disk_watch_.emplace(store, DiskWatch::Told{[this](bool serves) { TellHealth(serves); },
                                               [this](int64_t now_ms, int64_t hung_ms) {
                                                 TellStreams(now_ms, hung_ms);
                                                 TellWaiting(hung_ms);
                                               }});
    edge_.emplace(Edge{options_, clock_, broker, std::string(store.Kind()), store.reach(),
                       clock_.NowMs(), calls_, outbox_, *pulse_, handlers_, outgoing_,
                       *disk_watch_});
    outbox_.SetHandBack([this](const broker::Leased& leased) {
      HandBack(edge_->broker, calls_.NewId(), leased.tasks);
    });
    outbox_.OnRoom([&broker] { broker.GoOn(); });
    tasks_.emplace(*edge_);
    workers_.emplace(*edge_);
    queues_.emplace(*edge_);
    admin_.emplace(*edge_);

    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    // Above our own bound, so that what is a little too long gets our own, clearer answer.
    wire::ApplyServerSettings(
        builder, std::min<int64_t>(2 * edge_->message_bytes_max(), std::numeric_limits<int>::max()),
        options_.calls_per_client_max + kCallsToRefuse);
    grpc::ResourceQuota quota("treadle");
    quota.Resize(static_cast<size_t>(options_.incoming_bytes_max));
    quota.SetMaxThreads(kBlockingThreadsMax);
    builder.SetResourceQuota(quota);
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    Acceptor::Sink sink = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    builder.RegisterService(&*tasks_);
    builder.RegisterService(&*workers_);
    builder.RegisterService(&*queues_);
    builder.RegisterService(&*admin_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError("gRPC could not start its server");
    LookAtDisk();
    acceptor_.Start(std::move(sink));
    return absl::OkStatus();
  }

  std::string address() const { return address_.ToString(); }
  int port() const { return address_.port; }
  size_t timers() const { return pulse_->timers(); }

  void StopAccepting() {
    calls_.Close();
    if (server_ == nullptr) return;
    const std::lock_guard lock(health_mutex_);
    stopping_ = true;
    if (auto* health = server_->GetHealthCheckService()) health->SetServingStatus(false);
  }

  void Stop() {
    StopAccepting();
    outbox_.Drain();
    for (const std::shared_ptr<Call>& call : calls_.All()) {
      call->End(absl::UnavailableError("the broker is shutting down: connect again"));
    }
    acceptor_.Stop();
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::system_clock::now() + kShutdownLimit);
      server_->Wait();
      server_ = nullptr;
    }
    pulse_.reset();
  }

 private:
  void LookAtDisk() {
    disk_watch_->Look(clock_.NowMs());
    pulse_->After(DiskWatch::kLookMs, [this] { LookAtDisk(); });
  }

  void TellHealth(bool serves) {
    const std::lock_guard lock(health_mutex_);
    if (!stopping_) server_->GetHealthCheckService()->SetServingStatus(serves);
  }

  // Less often than the disk is looked at.
  void TellStreams(int64_t now_ms, int64_t hung_ms) {
    if (now_ms - disk_told_at_ms_ < wire::kDiskToldEveryMs - DiskWatch::kLookMs / 2) return;
    disk_told_at_ms_ = now_ms;
    for (const std::shared_ptr<Call>& stream : calls_.Streams()) {
      stream->DiskHangs(now_ms, hung_ms);
    }
  }

  // The broker knows who waits, and the outbox brings the word, as it does all others.
  void TellWaiting(int64_t hung_ms) {
    edge_->broker.FindWaiting([this, hung_ms](std::vector<engine::CallId> waiting) {
      std::vector<broker::Delivery> deliveries;
      deliveries.emplace_back(broker::Answer([this, hung_ms, waiting = std::move(waiting)] {
        for (const engine::CallId id : waiting) {
          const std::shared_ptr<Call> call = calls_.Find(id);
          if (call != nullptr && !call->is_stream()) call->DiskHangs(clock_.NowMs(), hung_ms);
        }
      }));
      outbox_.Release(std::move(deliveries));
    });
  }

  const Options options_;
  const Clock& clock_;
  Address address_;
  Connections connections_;
  Calls calls_;
  Acceptor acceptor_;
  CallOutbox outbox_;
  HandlerTable handlers_;
  Outgoing outgoing_;
  std::optional<Pulse> pulse_;
  std::optional<DiskWatch> disk_watch_;
  int64_t disk_told_at_ms_ = std::numeric_limits<int64_t>::min() / 2;
  std::optional<Edge> edge_;
  std::optional<TaskService> tasks_;
  std::optional<WorkerService> workers_;
  std::optional<QueueService> queues_;
  std::optional<AdminService> admin_;
  std::mutex health_mutex_;
  bool stopping_ = false;  // then health stays as it is
  std::unique_ptr<grpc::Server> server_;
};

Server::Server(Options options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}
Server::~Server() { impl_->Stop(); }

broker::Outbox& Server::outbox() { return impl_->outbox(); }
absl::Status Server::Start(broker::Broker& broker, const store::Store& store) {
  return impl_->Start(broker, store);
}
std::string Server::address() const { return impl_->address(); }
int Server::port() const { return impl_->port(); }
size_t Server::timers() const { return impl_->timers(); }
void Server::StopAccepting() { impl_->StopAccepting(); }
void Server::Stop() { impl_->Stop(); }

}  // namespace treadle::rpc
