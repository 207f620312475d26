#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/server.h"
#include "tests/sim/work.h"

namespace treadle::sim {

// Unary calls: submits with request keys (sent again when the answer does not come), waits,
// watches, cancels, questions, and what operators do to queues.
class Caller final : public Peer {
 public:
  Caller(Timeline& timeline, Random& random, Trace& trace, Network& network, Oracle& oracle,
         Server& server);

  void Act(bool calm);
  // Gives up what is still open, for good.
  void Leave();
  // A closed queue takes tasks again.
  void Reopen(const std::string& queue);
  // A paused queue works again.
  void Resume(const std::string& queue);
  void CancelJob(uint64_t job);
  // What is left to be answered or awaited; empty: nothing.
  std::string Left() const;

  void Receive(engine::CallId call, broker::Delivery& delivery) override;
  void Lost(engine::CallId call) override;

 private:
  struct Call {
    std::map<uint64_t, Work> submits;  // by item, and not answered yet
    TaskId task;                       // awaited or watched
  };

  void Submit(std::vector<Work> works);
  void SubmitAgain();
  void Ask(TaskId task);
  void Operate();
  engine::CircuitBreaker SomeBreaker();
  int64_t SomeUnservedBound();
  engine::JobSpec SomeJob(const std::string& queue);
  void TakeLetters(engine::CallId call);
  void CreateQueue(const std::string& name);
  TaskId SomeTask();

  Timeline& timeline_;
  Random& random_;
  Trace& trace_;
  Network& network_;
  Oracle& oracle_;
  Server& server_;
  std::map<engine::CallId, Call> calls_;
  std::deque<Work> retries_;
  std::deque<TaskId> accepted_;  // and not awaited yet
};

}  // namespace treadle::sim
