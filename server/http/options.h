#pragma once

#include <cstdint>
#include <string>

#include "proto/support/limits.h"

namespace treadle::http {

struct Options {
  std::string listen = limits::kDefaultHttpAddress;  // port 0: any free one; empty: none
  int64_t connections_max = limits::kHttpConnectionsMax;
  int64_t request_bytes_max = 64 * limits::kKiB;  // its headers
  int64_t body_bytes_max = limits::kMiB;          // of a POST, beside them
  // Within which all of a request has come, and the first one of a connection has begun.
  int64_t request_ms = 5 * limits::kSecondMs;
  int64_t response_ms = 30 * limits::kSecondMs;  // within which all of a response is taken
  int64_t idle_ms = 30 * limits::kSecondMs;      // between two requests on one connection
  // Calls of methods that change something are answered, and the dashboard shows its buttons.
  bool dashboard_actions = false;
};

}  // namespace treadle::http
