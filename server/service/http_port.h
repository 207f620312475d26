#pragma once

#include <atomic>
#include <string>

#include "absl/status/status.h"

#include "proto/support/clock.h"
#include "server/bridge/bridge.h"
#include "server/http/metrics.h"
#include "server/http/options.h"
#include "server/http/pages.h"
#include "server/http/server.h"
#include "server/http/subject.h"
#include "server/http/visits.h"
#include "server/service/service.h"
#include "server/store/store.h"

namespace treadle::server {

// A server's HTTP port, from before its store is opened to its end: /metrics, /healthz and /readyz,
// the API's methods, and the dashboard.
//
//   Start; Serves when the service has started; Stops; destroyed before the service is.
class HttpPort final : private http::Subject {
 public:
  HttpPort(const http::Options& options, std::string version);
  // Calls of the API that are under way are ended.
  ~HttpPort();
  HttpPort(const HttpPort&) = delete;
  HttpPort& operator=(const HttpPort&) = delete;

  // Listens. An error says what is wrong with the address.
  absl::Status Start() { return server_.Start(); }
  std::string address() const { return server_.address(); }
  int port() const { return server_.port(); }

  // The service has started, and is about to run. All outlive the port.
  void Serves(Service& service, const ServiceOptions& options, const store::Store& store,
              const Clock& clock);
  // It was told to stop. Any thread.
  void Stops();

 private:
  const std::string& version() const override { return version_; }
  http::Phase phase() const override { return phase_; }
  const broker::BrokerOptions& options() const override { return options_->broker; }
  broker::Intake& broker() override { return service_->broker(); }
  const store::Store& store() const override { return *store_; }
  const Clock& clock() const override { return *clock_; }
  http::EdgeFigures edge() const override;

  const std::string version_;
  Service* service_ = nullptr;
  const ServiceOptions* options_ = nullptr;
  const store::Store* store_ = nullptr;
  const Clock* clock_ = nullptr;
  std::atomic<http::Phase> phase_ = http::Phase::kStarts;  // guards the four
  http::Visits visits_;
  http::Metrics metrics_{*this, visits_};
  bridge::Bridge bridge_;
  http::Pages pages_;
  http::Server server_;  // last: its threads use the rest
};

}  // namespace treadle::server
