#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"

#include "server/broker/broker.h"

namespace treadle::rpc {

// A request that is an engine's command, with the bytes that go with it.
template <typename Command>
broker::Request ToRequest(Command command, broker::BodyPtr body = nullptr) {
  return {engine::Command{std::move(command)}, std::move(body)};
}

// Tasks that were leased to a call which cannot take them any more: they go back to their queues
// without having cost an attempt.
// The first `kept` of the first run's are not among them.
inline void HandBack(broker::Intake& broker, engine::CallId call,
                     absl::Span<const broker::LeasedRun> leased, uint32_t kept = 0) {
  std::vector<broker::Request> requests;
  for (const broker::LeasedRun& run : leased) {
    for (uint32_t i = std::exchange(kept, 0); i < run.lease.tasks; ++i) {
      const engine::Token token{static_cast<uint64_t>(run.lease.token) + i};
      requests.push_back(ToRequest(
          engine::EndAttempt{.call = call, .token = token, .end = engine::AttemptEnd::kReleased}));
    }
  }
  // Also when the lane is full: otherwise they would wait for their leases to expire.
  (void)broker.PostFrom(call, broker::Lane::kWorkers, std::move(requests));
}

}  // namespace treadle::rpc
