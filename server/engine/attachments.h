#pragma once

#include <string>
#include <vector>

#include "server/engine/drains.h"
#include "server/engine/lifecycle.h"
#include "server/engine/quarantines.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// Workers' streams and polls: they come, grant credit, fall silent, go.
class Attachments {
 public:
  Attachments(State& state, Lifecycle& lifecycle, Drains& drains, Quarantines& quarantines)
      : s_(state), lifecycle_(lifecycle), drains_(drains), quarantines_(quarantines) {}

  void Apply(Turn& turn, AttachWorker&& attach);
  void Apply(Turn& turn, const Heartbeat& heartbeat);
  void Apply(Turn& turn, const AddCredit& credit);
  void Apply(Turn& turn, const DrainWorker& drain);
  void Apply(Turn& turn, const PollTasks& poll);

  // A worker whose leases were found in the rows; its stream may come back within a lease.
  Worker& AddKnown(const std::string& worker_id, const Name& name, int64_t now_ms);

  // The stream is gone; the worker's leases live on until they expire.
  void Detach(Worker& worker);
  void EndPoll(Poll& poll);
  // The timer that was set for `due_ms` has fired: the worker was not heard from for a lease's
  // time; or it was, and the timer is set anew; or it holds no lease, and needs none.
  void Due(Turn& turn, Worker& worker, int64_t due_ms);
  void RetireIdle();

 private:
  void EndStream(Turn& turn, Worker& worker, const absl::Status& status);
  void SetUp(Worker& worker, AttachWorker&& attach, int64_t now_ms);
  void JoinQueues(Taker& taker, const std::vector<std::string>& names);
  void LeaveQueues(Taker& taker);
  std::vector<Token> Reconcile(Turn& turn, Worker& worker, const std::vector<Token>& held);
  void AssignPools(Worker& worker);
  absl::Status CheckWeight(Origin origin, int64_t bytes) const;
  void PutOn(Holder& holder, Origin origin, int64_t bytes);
  void PutDown(Holder& holder);

  State& s_;
  Lifecycle& lifecycle_;
  Drains& drains_;
  Quarantines& quarantines_;
};

}  // namespace treadle::engine
