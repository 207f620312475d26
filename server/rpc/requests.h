#pragma once

#include <utility>

#include "server/broker/broker.h"

namespace treadle::rpc {

// A request that is an engine's command, with the bytes that go with it.
template <typename Command>
broker::Request ToRequest(Command command, broker::BodyPtr body = nullptr) {
  return {engine::Command{std::move(command)}, std::move(body)};
}

// Tasks that were leased to a call which cannot take them any more: they go back to their queues
// without having cost an attempt.
template <typename Range>
void HandBack(broker::Intake& broker, engine::CallId call, const Range& leased) {
  std::vector<broker::Request> requests;
  for (const broker::LeasedTask& task : leased) {
    requests.push_back(ToRequest(engine::EndAttempt{
        .call = call, .token = task.lease.token, .end = engine::AttemptEnd::kReleased}));
  }
  // Also when the lane is full: otherwise they would wait for their leases to expire.
  (void)broker.PostFrom(call, broker::Lane::kWorkers, std::move(requests));
}

}  // namespace treadle::rpc
