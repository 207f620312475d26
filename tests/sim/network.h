#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "server/broker/broker.h"
#include "server/broker/stream_input.h"
#include "tests/sim/oracle.h"
#include "tests/sim/random.h"
#include "tests/sim/timeline.h"
#include "tests/sim/trace.h"

namespace treadle::sim {

// Whoever talks to the broker. Lives as long as the run.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void Receive(engine::CallId call, broker::Delivery& delivery) = 0;
  // The call is over without this side having ended it; what was on its way may be lost.
  virtual void Lost(engine::CallId call) = 0;
};

// Calls between peers and the broker, with the part of the edge (server/rpc) in it: messages arrive
// late, in order within a call and in any order between calls; connections break, and each side
// hears of it in its own time. While the broker has no room streams are not read, and unary calls
// and new streams are refused, which their peers take for a broken connection.
class Network final : public broker::Outbox {
 public:
  Network(Timeline& timeline, Random& random, Trace& trace, Oracle& oracle);

  // The broker is there (null: it is not, and every call to it is lost).
  void SetBroker(broker::Broker* broker);

  engine::CallId OpenUnary(Peer& peer, broker::Lane lane) { return Open(peer, lane, false); }
  engine::CallId OpenStream(Peer& peer, broker::Lane lane) { return Open(peer, lane, true); }
  void Send(engine::CallId call, std::vector<broker::Request> requests);
  void Send(engine::CallId call, engine::Command command, broker::BodyPtr body = nullptr);
  // This peer has no more to say or hear. What it said before still arrives.
  void Close(engine::CallId call);
  // The connection is cut: nothing more arrives, on either side. The broker finds out later, the
  // peer too unless it is dead (`peer_hears` false).
  void Break(engine::CallId call, bool peer_hears = true);

  // From the broker. While `swallow` is set its process is dying, and nothing gets out.
  void Release(std::vector<broker::Delivery> deliveries) override;
  bool swallow = false;

  // Faults are over: short delays from now on.
  bool calm = false;

  // Times that a stream was held back, or a unary call refused, because the broker had no room.
  uint64_t held() const { return held_; }

 private:
  struct Call {
    Peer* peer = nullptr;
    broker::Lane lane{};
    std::unique_ptr<broker::StreamInput>
        input;             // null: unary, or the broker that it led to is dead
    bool reading = false;  // the stream takes the next message
    bool begun = false;    // its first one was taken
    std::deque<std::vector<broker::Request>> unread;
    bool open = true;         // the peer's side
    bool to_broker = true;    // what is sent arrives
    bool from_broker = true;  // what is released arrives
    int64_t last_in_ms = 0;
    int64_t last_out_ms = 0;
  };

  engine::CallId Open(Peer& peer, broker::Lane lane, bool stream);
  int64_t Delay();
  void Arrive(engine::CallId call, std::vector<broker::Request> requests);
  void ArriveUnary(engine::CallId call, std::vector<broker::Request> requests);
  void Read(engine::CallId call);
  void LosePeer(engine::CallId call);

  Timeline& timeline_;
  Random& random_;
  Trace& trace_;
  Oracle& oracle_;
  broker::Broker* broker_ = nullptr;
  uint64_t run_ = 0;  // of the broker
  uint64_t next_call_ = 1;
  uint64_t held_ = 0;
  std::map<engine::CallId, Call> calls_;
};

}  // namespace treadle::sim
