#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace treadle::rpc {

struct ListenAddress {
  std::string host;  // without brackets
  int port = 0;      // 0: any free one

  // "host:port", with brackets around an IPv6 address.
  std::string ToString() const;
};

// INVALID_ARGUMENT: not of the form HOST:PORT.
absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text);

}  // namespace treadle::rpc
