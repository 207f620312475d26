#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/network.h"
#include "tests/sim/work.h"

namespace treadle::sim {

// A client with a session stream: numbers its submits, resumes after a lost connection, sends again
// what was not answered, asks again for outcomes that it may have missed.
class SessionClient final : public Peer {
 public:
  SessionClient(Timeline& timeline, Random& random, Trace& trace, Network& network);

  // One of the things that such a client may do next. `calm`: only what finishes its business.
  void Act(bool calm);
  // Says goodbye, for good.
  void Leave();
  // What is left to be answered or awaited; empty: nothing.
  std::string Left() const;

  void Receive(engine::CallId call, broker::Delivery& delivery) override;
  void Lost(engine::CallId call) override;

 private:
  enum class State { kUnsent, kSent, kAccepted, kEnded, kGivenUp };
  struct Task {
    Work work;
    bool like_before = false;  // in all but its payload, like the task before it
    State state = State::kUnsent;
    bool sent_again = false;  // its outcome may have come and gone: it has to be asked for
    TaskId id;                // accepted
  };

  void Connect();
  void Steal();
  void Opened(const engine::SessionOpened& event);
  void Answered(const engine::Submitted& event);
  void Ended(const engine::TaskRange& ended);
  void NewTasks();
  void SendTasks(bool again);
  void AnsweredTask(const engine::Submitted& event);
  broker::Request ToRequest(uint64_t first, const std::vector<const Work*>& run) const;
  void Await();
  void Acknowledge();
  void Forget();

  Timeline& timeline_;
  Random& random_;
  Trace& trace_;
  Network& network_;
  engine::CallId call_{};  // 0: not connected
  bool opened_ = false;
  bool all_outcomes_ = true;
  uint64_t session_ = 0;
  engine::ResumeSecret secret_;  // of session_
  uint64_t next_sequence_ = 1;
  uint64_t acknowledged_below_ = 0;
  std::map<uint64_t, Task> tasks_;
};

}  // namespace treadle::sim
