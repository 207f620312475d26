#pragma once

#include <cstdint>
#include <map>

#include "tests/sim/network.h"
#include "tests/sim/work.h"

namespace treadle::sim {

// A worker of ten lines: leases, extends and completes with unary calls, carelessly.
class Poller final : public Peer {
 public:
  Poller(uint64_t number, Timeline& timeline, Random& random, Trace& trace, Network& network,
         Oracle& oracle);

  void Act(bool calm);
  // Stops asking for tasks, for good.
  void Leave();

  void Receive(engine::CallId call, broker::Delivery& delivery) override;
  void Lost(engine::CallId call) override;

 private:
  struct Job {
    engine::Lease lease;
    int64_t done_at_ms = 0;
    int64_t expires_at_ms = 0;
    engine::EndAttempt end;  // once it was reported
    broker::BodyPtr result;
    engine::CallId report{};  // under way
  };

  void Poll(bool calm);
  void Complete(Job& job);
  void Report(Job& job);

  const uint64_t number_;
  Timeline& timeline_;
  Random& random_;
  Trace& trace_;
  Network& network_;
  Oracle& oracle_;
  engine::CallId poll_{};
  std::map<engine::CallId, engine::Token> calls_;  // completions and extensions under way
  std::map<engine::Token, Job> jobs_;
};

}  // namespace treadle::sim
