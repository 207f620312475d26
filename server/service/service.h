#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

#include "proto/support/clock.h"
#include "server/broker/broker.h"
#include "server/broker/delivery.h"
#include "server/rpc/options.h"
#include "server/rpc/server.h"
#include "server/store/store.h"

namespace treadle::server {

struct ServiceOptions {
  broker::BrokerOptions broker;
  rpc::Options rpc;  // `engine` is taken from the broker's
};

// Stands between broker and edge, and sees all that passes, both ways. What it returns lives as
// long as the service.
class Seam {
 public:
  virtual ~Seam() = default;
  // The edge's own clock, for its peers' silences and its timers. Unix time is the service's.
  virtual const Clock& EdgeClock(const ServiceClock& clock) { return clock; }
  // Before the broker is made; before it is recovered. Each once.
  virtual broker::Outbox& Outward(broker::Outbox& edge) { return edge; }
  virtual broker::Intake& Inward(broker::Broker& broker) { return broker; }
};

// A broker and its edge over a store: one life of a server, from its recovery to its end.
//
//   Start, then Run on a thread; Stop from any thread; destroyed when Run has returned.
class Service {
 public:
  // All outlive it. `seam` may be null, and so may `spans`, which gets those of sampled tasks.
  Service(const ServiceOptions& options, const MachineClock& machine, ServiceClock& clock,
          store::Store& store, Seam* seam = nullptr, broker::SpanSink* spans = nullptr);
  // Ends every open call. Run has returned, or was never called.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Recovers what the store has, and listens. `progress` is told of rows read so far, about once a
  // second. An error says what is wrong with the store or the address.
  absl::Status Start(absl::AnyInvocable<void(int64_t rows)> progress = [](int64_t) {});
  // Serves until Stop; OK: what was accepted is stored and released. Otherwise the store's error:
  // the memory is ahead of the store, so nothing may be said any more.
  absl::Status Run();
  // New calls are refused from now on, and Run returns when what was accepted is done.
  void Stop();

  std::string address() const { return edge_.address(); }
  int port() const { return edge_.port(); }
  rpc::Server& edge() { return edge_; }
  broker::Broker& broker() { return broker_; }

 private:
  const MachineClock& machine_;
  store::Store& store_;
  Seam none_;
  Seam& seam_;
  rpc::Server edge_;
  broker::Broker broker_;
};

}  // namespace treadle::server
