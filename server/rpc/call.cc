#include "server/rpc/call.h"

#include <spdlog/spdlog.h>

namespace treadle::rpc {

absl::Status Unexpected(const std::exception& error) {
  spdlog::error("a call failed inside the server: {}", error.what());
  return absl::InternalError("the server failed to handle this call; its log says more");
}

}  // namespace treadle::rpc
