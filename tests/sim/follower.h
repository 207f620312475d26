#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "server/broker/stored_tasks.h"
#include "tests/sim/network.h"

namespace treadle::sim {

// Follows what tasks say, one after the other, from the beginning to the end: asks on from where it
// is, over whatever happens to the broker. Each entry must come once, in order, and at the end all
// that is stored must have come.
class Follower final : public Peer {
 public:
  Follower(Timeline& timeline, Random& random, Trace& trace, Network& network, Oracle& oracle);

  void Act(bool calm);
  void Leave();
  // What it has read may not be there any more.
  void StoreLost();
  // Empty: it has come to an end.
  std::string Left() const;

  void Receive(engine::CallId call, broker::Delivery& delivery) override;
  void Lost(engine::CallId call) override;

 private:
  void Ask();
  void Read(engine::CallId call, const broker::OutputPage& page, bool ended);
  void Read(const engine::OutputPieceRow& piece);

  Timeline& timeline_;
  Random& random_;
  Trace& trace_;
  Network& network_;
  Oracle& oracle_;

  TaskId task_;  // {}: none
  uint64_t offset_ = 0;
  std::map<uint64_t, std::string> read_;  // by offset
  engine::Token last_{};                  // whose entry came last
  engine::CallId call_{};
  int64_t stopped_until_ms_ = 0;
};

}  // namespace treadle::sim
