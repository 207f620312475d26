#include "server/service/service.h"

#include <utility>

#include "proto/support/random_bits.h"
#include "server/engine/incarnation.h"

namespace treadle::server {
namespace {

rpc::Options EdgeOptions(const ServiceOptions& options) {
  rpc::Options edge = options.rpc;
  edge.engine = options.broker.engine;
  return edge;
}

}  // namespace

Service::Service(const ServiceOptions& options, const MachineClock& machine, ServiceClock& clock,
                 store::Store& store, Seam* seam, broker::SpanSink* spans)
    : machine_(machine),
      store_(store),
      seam_(seam == nullptr ? none_ : *seam),
      edge_(EdgeOptions(options), seam_.EdgeClock(clock)),
      broker_(options.broker, clock, store, seam_.Outward(edge_.outbox()), spans) {}

// Open calls are ended while the broker is still there.
Service::~Service() { edge_.Stop(); }

absl::Status Service::Start(absl::AnyInvocable<void(int64_t rows)> progress) {
  broker::Intake& intake = seam_.Inward(broker_);
  const absl::Status recovered =
      broker_.Recover(engine::IncarnationAt(machine_.UnixMs(), RandomBits()), std::move(progress));
  if (!recovered.ok()) return recovered;
  return edge_.Start(intake, store_);
}

absl::Status Service::Run() { return broker_.Run(); }

void Service::Stop() {
  edge_.StopAccepting();
  broker_.Stop();
}

}  // namespace treadle::server
