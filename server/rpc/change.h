#pragma once

#include <utility>
#include <variant>

#include "absl/status/status.h"

#include "server/broker/broker.h"
#include "server/rpc/requests.h"
#include "server/rpc/unary_call.h"

namespace treadle::rpc {

// Posts a command of an operator that the engine answers with an Answer. Its status, if that is an
// error, ends the call; otherwise then(UnaryCall&, const Answer&) replies.
template <typename Answer, typename Command, typename Then>
absl::Status Change(UnaryCall& call, broker::Lane lane, Command command, Then then) {
  command.call = call.id();
  absl::StatusOr<engine::Actor> actor = call.actor();
  if (!actor.ok()) return actor.status();
  command.by = *std::move(actor);
  call.Expect([then](UnaryCall& self, broker::Delivery& delivery) {
    const auto* answer = std::get_if<Answer>(&delivery);
    if (answer == nullptr) return;
    if (!answer->status.ok()) return self.End(answer->status);
    then(self, *answer);
  });
  call.Post(lane, ToRequest(std::move(command)));
  return absl::OkStatus();
}

}  // namespace treadle::rpc
