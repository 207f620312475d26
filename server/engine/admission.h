#pragma once

#include "absl/status/status.h"

#include "server/engine/lifecycle.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// RESOURCE_EXHAUSTED: no further queue, for anybody or for this one.
absl::Status CheckNewQueue(const Shares& queues, Origin origin);

// Who gets in: submits are accepted, refused, recognised as repeats, or wait for room.
class Admission {
 public:
  Admission(State& state, Lifecycle& lifecycle) : s_(state), lifecycle_(lifecycle) {}

  void Apply(Turn& turn, Submit&& submit);

  // A task that nobody has just submitted, and that does not wait for room. Not OK: why it is not
  // accepted.
  absl::Status AcceptNow(Turn& turn, Submit&& submit);

  // Submits that wait enter queues in which room has appeared.
  void ServeQueuesWithRoom(Turn& turn);
  // The queue's waiters are looked at anew: its bounds have changed, or it was closed.
  void RulesChanged(Turn& turn, Queue& queue);

  // A waiter's time is over.
  void Due(Turn& turn, Waiter& waiter);
  // A waiter is refused after all.
  void Refuse(Turn& turn, Waiter& waiter, const absl::Status& status);
  // The call's waiters are given up.
  void Withdraw(Turn& turn, Call& call, const absl::Status& status);
  // Whether so many tasks would be taken, if there is room; `queue`: null if there is none.
  absl::Status Check(const Queue* queue, const TaskSpec& spec, Origin origin, uint32_t tasks) const;

 private:
  void ApplyOne(Turn& turn, Submit&& submit);
  // True: all of a run is accepted. False: nothing is done, each task is to be looked at.
  bool AcceptRun(Turn& turn, Submit& submit);
  bool AnyWaits(const Submit& run) const;
  bool IsNewTo(const Session& session, const Submit& run) const;
  void Answer(Turn& turn, const Submit& submit, const absl::Status& status,
              bool no_worker = false) const;
  void AnswerExisting(Turn& turn, const Submit& submit, TaskId first) const;
  // Each answers the submit and returns true, or finds nothing and returns false.
  bool AnswerRepeat(Turn& turn, Submit& submit);
  bool AnswerKey(Turn& turn, Submit& submit);
  void AnswerSameKey(Turn& turn, Submit& submit, TaskId first, const ContentDigest& digest);

  absl::Status CheckServer(const Queue* queue, const TaskSpec& spec, uint32_t tasks) const;
  QueueConfig DefaultConfig(const std::string& name) const;
  Queue& ObtainQueue(Turn& turn, const std::string& name, Origin origin);

  void WaitOrRefuse(Turn& turn, Queue& queue, Submit&& submit, Waiter* leader);
  void TakeOver(Waiter& waiter, Submit& submit, int64_t now_ms);
  void Accept(Turn& turn, Queue& queue, Submit& submit);
  void Serve(Turn& turn, Queue& queue);
  void AcceptWaiter(Turn& turn, Waiter& waiter);
  void LeaveCall(Waiter& waiter);
  // Takes the waiter out of its line; a follower takes its place.
  void LeaveLine(Waiter& waiter);

  State& s_;
  Lifecycle& lifecycle_;
};

}  // namespace treadle::engine
