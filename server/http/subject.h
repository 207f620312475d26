#pragma once

#include <cstdint>
#include <string>

#include "proto/support/clock.h"
#include "server/broker/broker.h"
#include "server/store/store.h"

namespace treadle::http {

enum class Phase : uint8_t {
  kStarts,  // reads its store
  kServes,
  kStops,  // makes durable what it has accepted
};

// What the gRPC edge holds, and what it may.
struct EdgeFigures {
  int64_t calls = 0;
  int64_t calls_max = 0;
  int64_t connections = 0;
  int64_t connections_max = 0;
  int64_t outgoing_bytes = 0;
  int64_t outgoing_bytes_max = 0;
  int64_t incoming_bytes_max = 0;
  int64_t disk_hung_ms = 0;  // for how long the disk has not answered; 0: it does
};

// The server that the HTTP port tells of. Any thread.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual const std::string& version() const = 0;
  virtual Phase phase() const = 0;

  // The rest is there from kServes on.
  virtual const broker::BrokerOptions& options() const = 0;
  virtual broker::Intake& broker() = 0;
  virtual const store::Store& store() const = 0;
  virtual const Clock& clock() const = 0;
  virtual EdgeFigures edge() const = 0;
};

}  // namespace treadle::http
