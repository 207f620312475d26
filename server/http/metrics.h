#pragma once

#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "server/http/server.h"
#include "server/http/subject.h"
#include "server/http/visits.h"

namespace treadle::http {

// All that is told of a server in Prometheus's format. server/README.md has a table of it.
//
// What is counted, its threads count as they go; a scrape copies it. The broker's queues and
// workers are gone through some at a time, between its turns.
class Metrics final : public prometheus::Collectable {
 public:
  // Both outlive it.
  Metrics(Subject& subject, Visits& visits) : subject_(subject), visits_(visits) {}

  // What cannot be had now is left out: of the broker, while it starts or its loop does not answer.
  // Any thread.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  Subject& subject_;
  Visits& visits_;
};

// /metrics, for one scrape at a time: the next one waits, for some seconds. `metrics` outlives the
// server.
void ServeMetrics(Server& server, const Metrics& metrics);

}  // namespace treadle::http
