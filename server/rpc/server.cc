#include "server/rpc/server.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include "proto/support/address.h"
#include "proto/support/assert.h"
#include "proto/wire/disk_hung.h"
#include "proto/wire/settings.h"
#include "server/rpc/acceptor.h"
#include "server/rpc/admin_service.h"
#include "server/rpc/calls.h"
#include "server/rpc/chart_sampler.h"
#include "server/rpc/charts.h"
#include "server/rpc/connections.h"
#include "server/rpc/dead_letter_service.h"
#include "server/rpc/disk_watch.h"
#include "server/rpc/edge.h"
#include "server/rpc/handler_table.h"
#include "server/rpc/health.h"
#include "server/rpc/job_service.h"
#include "server/rpc/methods.h"
#include "server/rpc/outbox.h"
#include "server/rpc/outgoing.h"
#include "server/rpc/pulse.h"
#include "server/rpc/queue_service.h"
#include "server/rpc/reflection.h"
#include "server/rpc/requests.h"
#include "server/rpc/task_service.h"
#include "server/rpc/worker_service.h"

namespace treadle::rpc {
namespace {

// After it gRPC breaks the connections of those who do not take their status.
constexpr auto kShutdownLimit = std::chrono::seconds(2);

// A client that goes beyond its bound is told so, some calls long; then it waits.
constexpr int64_t kCallsToRefuse = 100;
// What gRPC takes for a call without a message, and for as many as half again that are on their way
// to being refused: where its quota is used up it ends calls of anybody.
constexpr int64_t kCallBytes = 30 << 10;

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
        outgoing_(options_),
        charts_(options_.chart_step_ms) {}

  CallOutbox& outbox() { return outbox_; }

  absl::Status Start(broker::Intake& broker, const store::Store& store) {
    TREADLE_ASSERT(!edge_.has_value());
    const absl::StatusOr<Address> address = ParseAddress(options_.listen, /*port_min=*/0);
    if (!address.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--listen: ", address.status().message()));
    }
    address_ = *address;
    if (absl::Status s = acceptor_.Listen(address_); !s.ok()) return s;

    pulse_.emplace(calls_, clock_);
    disk_watch_.emplace(store, DiskWatch::Told{[this](bool serves) { health_.Set(serves); },
                                               [this](int64_t now_ms, int64_t hung_ms) {
                                                 TellStreams(now_ms, hung_ms);
                                                 TellWaiting(hung_ms);
                                               }});
    edge_.emplace(Edge{options_, clock_, broker, std::string(store.Kind()), store.reach(),
                       clock_.NowMs(), calls_, outbox_, *pulse_, handlers_, outgoing_, *disk_watch_,
                       health_, charts_});
    outbox_.SetHandBack([this](const broker::Leased& leased) {
      HandBack(edge_->broker, calls_.NewId(), leased.runs);
    });
    outbox_.OnRoom([&broker] { broker.GoOn(); });
    methods_.emplace(*edge_);
    ServeTasks(*methods_);
    ServeWorkers(*methods_);
    ServeQueues(*methods_);
    ServeDeadLetters(*methods_);
    ServeJobs(*methods_);
    ServeAdmin(*methods_);
    ServeHealth(*methods_);
    ServeReflection(*methods_);

    grpc::ServerBuilder builder;
    // Above our own bound, so that what is a little too long gets our own, clearer answer.
    wire::ApplyServerSettings(
        builder, std::min<int64_t>(2 * edge_->message_bytes_max(), std::numeric_limits<int>::max()),
        options_.calls_per_client_max + kCallsToRefuse);
    grpc::ResourceQuota quota("treadle");
    const int64_t calls_bytes = options_.calls_max * kCallBytes;
    quota.Resize(static_cast<size_t>(options_.incoming_bytes_max + calls_bytes));
    builder.SetResourceQuota(quota);
    Acceptor::Sink sink = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    builder.RegisterCallbackGenericService(&*methods_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError("gRPC could not start its server");
    LookAtDisk();
    sampler_.emplace(broker, *pulse_, clock_, charts_);
    sampler_->Start();
    acceptor_.Start(std::move(sink));
    return absl::OkStatus();
  }

  std::string address() const { return address_.ToString(); }
  int port() const { return address_.port; }
  std::shared_ptr<grpc::Channel> NewChannel(const grpc::ChannelArguments& arguments) {
    return server_->InProcessChannel(arguments);
  }
  size_t timers() const { return pulse_->timers(); }
  rpc::Figures figures() const {
    return {.calls = calls_.size(),
            .connections = connections_.CountOpen(),
            .outgoing_bytes = outgoing_.bytes(),
            .disk_hung_ms = disk_watch_->HungMs(clock_.NowMs())};
  }

  void StopAccepting() {
    calls_.Close();
    health_.End();
  }

  void Stop() {
    StopAccepting();
    outbox_.Post([this] {
      for (const std::shared_ptr<Call>& call : calls_.All()) call->FlushAll();
    });
    outbox_.Drain();
    calls_.CloseForAll();
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

  // Less often than the disk is looked at.
  void TellStreams(int64_t now_ms, int64_t hung_ms) {
    if (now_ms - disk_told_at_ms_ < wire::kDiskToldEveryMs - DiskWatch::kLookMs / 2) return;
    disk_told_at_ms_ = now_ms;
    for (const std::shared_ptr<Call>& call : calls_.All()) {
      if (call->is_stream()) call->DiskHangs(now_ms, hung_ms);
    }
  }

  // The broker knows who waits, and the outbox brings the word, as it does all others.
  void TellWaiting(int64_t hung_ms) {
    edge_->broker.FindWaiting([this, hung_ms](std::vector<engine::CallId> waiting) {
      outbox_.Post([this, hung_ms, waiting = std::move(waiting)] {
        for (const engine::CallId id : waiting) {
          const std::shared_ptr<Call> call = calls_.Find(id);
          if (call != nullptr && !call->is_stream()) call->DiskHangs(clock_.NowMs(), hung_ms);
        }
      });
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
  Health health_;
  Charts charts_;
  std::optional<ChartSampler> sampler_;
  std::optional<Pulse> pulse_;
  std::optional<DiskWatch> disk_watch_;
  int64_t disk_told_at_ms_ = std::numeric_limits<int64_t>::min() / 2;
  std::optional<Edge> edge_;
  std::optional<Methods> methods_;
  std::unique_ptr<grpc::Server> server_;
};

Server::Server(Options options, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), clock)) {}
Server::~Server() { impl_->Stop(); }

broker::Outbox& Server::outbox() { return impl_->outbox(); }
absl::Status Server::Start(broker::Intake& broker, const store::Store& store) {
  return impl_->Start(broker, store);
}
std::string Server::address() const { return impl_->address(); }
int Server::port() const { return impl_->port(); }
std::shared_ptr<grpc::Channel> Server::NewChannel(const grpc::ChannelArguments& arguments) {
  return impl_->NewChannel(arguments);
}
Figures Server::Figures() const { return impl_->figures(); }
size_t Server::timers() const { return impl_->timers(); }
void Server::StopAccepting() { impl_->StopAccepting(); }
void Server::Stop() { impl_->Stop(); }

}  // namespace treadle::rpc
