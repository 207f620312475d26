#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace treadle {

// A TCP address as people write it: "HOST:PORT", with brackets around an IPv6 address.
struct Address {
  std::string host;  // a name, or an IPv4 or IPv6 address without brackets
  int port = 0;      // 0: any free one, for those who listen

  // "broker.example:7733", "[::1]:7733".
  std::string ToString() const;
};

// The one parser of addresses: of every flag, option and environment variable. INVALID_ARGUMENT
// names the mistake and what to write instead. `port_min`: 0 or 1. Does not look the name up.
absl::StatusOr<Address> ParseAddress(std::string_view text, int port_min = 1);

// The broker that `given` names; empty: that of the environment's TREADLE_BROKER, or, without one,
// 127.0.0.1:7733. What every client and worker connects to. The error says where a wrong address
// comes from.
absl::StatusOr<Address> BrokerAddress(std::string_view given);

}  // namespace treadle
