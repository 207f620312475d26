#include "server/service/http_port.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "proto/support/address.h"
#include "server/bridge/origin.h"
#include "server/dashboard/files.h"
#include "server/http/health.h"

namespace treadle::server {
namespace {

// An address that is none is told of when the port starts.
bool ListensOnLoopback(const http::Options& options) {
  const absl::StatusOr<Address> address = ParseAddress(options.listen, /*port_min=*/0);
  return address.ok() && bridge::IsLoopback(address->host);
}

// Calls hold their threads while they wait: half of these are left to those who look at the
// broker's health and metrics.
int64_t CallsMax(const http::Options& options) {
  return std::max<int64_t>(1, options.connections_max / 2);
}

}  // namespace

HttpPort::HttpPort(const http::Options& options, std::string version)
    : version_(std::move(version)),
      bridge_({.actions = options.dashboard_actions,
               .is_loopback = ListensOnLoopback(options),
               .calls_max = CallsMax(options)}),
      pages_(dashboard::Files(), {.version = version_, .actions = options.dashboard_actions}),
      server_(options) {
  http::ServeMetrics(server_, metrics_);
  http::ServeHealth(server_, *this, visits_);
  server_.Post(bridge_);
  pages_.ServeOn(server_);
}

HttpPort::~HttpPort() { bridge_.End(); }

void HttpPort::Serves(Service& service, const ServiceOptions& options, const store::Store& store,
                      const Clock& clock) {
  service_ = &service;
  options_ = &options;
  store_ = &store;
  clock_ = &clock;
  bridge_.Open(service.edge().NewChannel(bridge::Bridge::NewChannelArguments()));
  phase_ = http::Phase::kServes;
}

void HttpPort::Stops() {
  phase_ = http::Phase::kStops;
  bridge_.Close();
}

http::EdgeFigures HttpPort::edge() const {
  const rpc::Figures figures = service_->edge().Figures();
  const rpc::Options& options = options_->rpc;
  return {.calls = figures.calls,
          .calls_max = options.calls_max,
          .connections = figures.connections,
          .connections_max = options.connections_max,
          .outgoing_bytes = figures.outgoing_bytes,
          .outgoing_bytes_max = options.outgoing_bytes_sum_max,
          .incoming_bytes_max = options_->broker.inbox_bytes_max,
          .disk_hung_ms = figures.disk_hung_ms};
}

}  // namespace treadle::server
