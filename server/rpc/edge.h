#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "proto/support/clock.h"
#include "proto/wire/settings.h"
#include "server/broker/broker.h"
#include "server/rpc/calls.h"
#include "server/rpc/charts.h"
#include "server/rpc/disk_watch.h"
#include "server/rpc/handler_table.h"
#include "server/rpc/health.h"
#include "server/rpc/options.h"
#include "server/rpc/outbox.h"
#include "server/rpc/outgoing.h"
#include "server/rpc/pulse.h"
#include "server/rpc/validate.h"
#include "server/store/store.h"

namespace treadle::rpc {

// What every call may use. Lives as long as the server.
struct Edge {
  const Options& options;
  const Clock& clock;
  broker::Intake& broker;
  const std::string store_kind;
  const store::Reach reach;  // the best that an acknowledgement can say
  const int64_t started_at_ms;
  Calls& calls;
  CallOutbox& outbox;
  Pulse& pulse;
  HandlerTable& handlers;
  Outgoing& outgoing;
  const DiskWatch& disk;
  Health& health;
  const Charts& charts;
  std::vector<std::string> services{};  // their names; complete before the first call

  // What a client may send in one message.
  int64_t message_bytes_max() const {
    return options.payload_bytes_max + wire::kMessageOverheadBytes;
  }
  // How often a worker that holds leases says something.
  int64_t worker_heartbeat_ms() const {
    return std::min(wire::kHeartbeatMs, options.engine.lease_ms / 5);
  }
  Bounds bounds() const { return {options.payload_bytes_max, options.batch_tasks_max}; }
};

}  // namespace treadle::rpc
