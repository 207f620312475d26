#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "proto/support/clock.h"
#include "server/broker/broker.h"
#include "server/rpc/charts.h"
#include "server/rpc/pulse.h"

namespace treadle::rpc {

// Has the broker look at what it has counted, once in each step of the charts: some hundred queues
// at a time, between its turns, whatever they do. A step for which it has no time has no sample.
class ChartSampler {
 public:
  // All outlive the broker's last turn and the pulse.
  ChartSampler(broker::Intake& broker, Pulse& pulse, const Clock& clock, Charts& charts);

  // From now on, until the pulse ends.
  void Start();

 private:
  struct Look;

  void Go(std::shared_ptr<Look> look);

  broker::Intake& broker_;
  Pulse& pulse_;
  const Clock& clock_;
  Charts& charts_;
  std::atomic<bool> looks_ = false;
};

}  // namespace treadle::rpc
