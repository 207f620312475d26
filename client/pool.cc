#include "treadle/pool.h"

namespace treadle {

absl::Status Pool::Join() {
  if (!executor_.is_shut_down()) {
    return absl::FailedPreconditionError("the pool still runs: Close or Terminate it first");
  }
  executor_.Shutdown();
  return absl::OkStatus();
}

}  // namespace treadle
