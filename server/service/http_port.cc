#include "server/service/http_port.h"

#include <utility>

#include "server/http/health.h"

namespace treadle::server {

HttpPort::HttpPort(const http::Options& options, std::string version)
    : version_(std::move(version)), server_(options) {
  http::ServeMetrics(server_, metrics_);
  http::ServeHealth(server_, *this, visits_);
}

void HttpPort::Serves(Service& service, const ServiceOptions& options, const store::Store& store,
                      const Clock& clock) {
  service_ = &service;
  options_ = &options;
  store_ = &store;
  clock_ = &clock;
  phase_ = http::Phase::kServes;
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
