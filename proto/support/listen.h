#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "proto/support/address.h"

namespace treadle {

// Listens on every TCP address that the name has; port 0 becomes the one that was chosen. Returns
// the descriptors, non-blocking, whose connections inherit TCP_NODELAY and keepalives: a host that
// is gone is noticed within 20 s. UNAVAILABLE: why not; `flag` is what to change.
absl::StatusOr<std::vector<int>> Listen(Address& address, std::string_view flag);

}  // namespace treadle
