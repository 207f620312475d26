#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "server/rpc/connections.h"

namespace treadle::rpc {

// A call's wait for its message, which may take as long as something comes on its connection: one
// that is large takes its time on a slow link. The pulse's thread, but for the constructor.
class MessageWait {
 public:
  explicit MessageWait(int64_t now_ms) : began_at_ms_(now_ms), checked_at_ms_(now_ms) {}

  // DEADLINE_EXCEEDED: nothing came for `silent_ms_max`. To be asked a few times in that, or the
  // wait begins anew: nobody was there to see what came.
  absl::Status Check(Client& client, int64_t now_ms, int64_t silent_ms_max) {
    if (now_ms - std::exchange(checked_at_ms_, now_ms) > silent_ms_max / 2) began_at_ms_ = now_ms;
    if (client.IsArriving(began_at_ms_, now_ms)) arriving_at_ms_ = now_ms;
    if (now_ms - std::max(began_at_ms_, arriving_at_ms_) <= silent_ms_max) return absl::OkStatus();
    return absl::DeadlineExceededError(
        absl::StrCat("the call was begun, but its message did not come: nothing arrived for ",
                     silent_ms_max, " ms; send it at once"));
  }

 private:
  int64_t began_at_ms_;
  int64_t checked_at_ms_;
  int64_t arriving_at_ms_ = 0;
};

// INVALID_ARGUMENT: the client has closed its side of a call and said nothing.
inline absl::Status NoMessageError() {
  return absl::InvalidArgumentError(
      "the call came without its message: send one, an empty one at least");
}

}  // namespace treadle::rpc
