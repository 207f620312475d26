#include "server/rpc/call.h"

#include <spdlog/spdlog.h>

#include "server/rpc/calls.h"

namespace treadle::rpc {

Call::Call(Calls& calls, const std::string& peer)
    : client_(calls.Obtain(peer)), id_(calls.NewId(*client_)) {}

void Call::BeginUnanswered() {
  is_unanswered_ = true;
  ++client_->unanswered;
}

void Call::Answered() {
  if (is_unanswered_.exchange(false)) --client_->unanswered;
}

absl::Status Unexpected(const std::exception& error) {
  spdlog::error("a call failed inside the server: {}", error.what());
  return absl::InternalError("the server failed to handle this call; its log says more");
}

}  // namespace treadle::rpc
