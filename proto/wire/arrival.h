#pragma once

#include <cstdint>

namespace treadle::wire {

// gRPC shows a message when it is whole. On the slowest link that is borne with (half a megabit a
// second) one of so many bytes is heard of so late: a peer that may be sending it is silent so much
// longer than kPeerSilentMs. Connections and peers that are dead are found sooner, by keepalive.
inline constexpr int64_t kSlowestLinkBytesPerMs = 64;
constexpr int64_t ArrivalMs(int64_t message_bytes_max) {
  return message_bytes_max / kSlowestLinkBytesPerMs;
}

}  // namespace treadle::wire
