#pragma once

#include <algorithm>
#include <cstdint>

#include "proto/wire/settings.h"

namespace treadle::wire {

// gRPC shows a message when it is whole, so a large one looks like silence while it arrives. The
// broker says before such a message that it comes (`arriving_bytes`), and who reads it then bears
// with so much more silence: as long as the message takes on the slowest link that is borne with,
// half a megabit a second.
inline constexpr int64_t kSlowestLinkBytesPerMs = 64;
constexpr int64_t ArrivalMs(int64_t bytes) {
  return std::clamp<int64_t>(bytes, 0, INT32_MAX) / kSlowestLinkBytesPerMs;
}

// Smaller messages arrive in half the time that a peer may be silent, and are not announced.
inline constexpr int64_t kAnnouncedBytes = kSlowestLinkBytesPerMs * kPeerSilentMs / 2;

}  // namespace treadle::wire
