#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "server/engine/action_log.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// Workers that get no more tasks because their attempts fail one after the other, while those of
// others succeed: a machine with a broken disk fails fast, and would empty the queue. They stay
// attached, keep what they have, and are released by hand.
//
// A worker goes into quarantine when it is to blame for EngineOptions::quarantine_after failures
// and none of its attempts has succeeded meanwhile. It is to blame for a failure if by then, since
// its first one of the queue and type, others have succeeded at least half as often as it is to
// blame for: so what fails fast is caught although others take their time, and what everybody
// suffered does not count when things are well again. What was leased before the first failure is
// passed over: all that was running when something else broke down fails together.
//
// Others must succeed for the most part: since that first failure, at least as many attempts of the
// queue and type have succeeded as failed. Of each worker's failures in a row only the first
// quarantine_after / 2 count there, so that several broken workers do not excuse each other.
//
// No line with unfinished tasks is left without somebody who serves it: a worker that is the last
// to do so (attached, neither draining nor in quarantine) does not go into quarantine, and one that
// is in quarantine is released when the last of the others has left. Unary holders come and go, and
// do not count as such.
//
// A success costs a counter, a failure time in proportion to WorkerHealth::kFailuresMax; and once
// in quarantine_after failures, to the lines that its worker serves.
class Quarantines {
 public:
  Quarantines(State& state, ActionLog& log) : s_(state), log_(log) {}

  void Apply(Turn& turn, const ReleaseWorker& command);

  // So many attempts of the line's tasks have ended well; one that was leased then has failed.
  // `worker` null: a unary holder's.
  void Succeeded(Line& line, const Worker* worker, uint32_t attempts);
  void Failed(Turn& turn, const Line& line, Worker* worker, int64_t granted_at_ms,
              const TaskError& error);
  // The line had no unfinished tasks, and is about to have some.
  void LineUsed(const Line& line);
  // The worker has attached: it has its pools, and it is known whether it drains.
  void Follow(Turn& turn, Worker& worker);
  // The worker goes.
  void Forget(Worker& worker);
  // Before tasks are given out: releases who is needed, if somebody else has left.
  void ReleaseNeeded(Turn& turn);

  // Asserts that nobody is in quarantine who is needed. After ReleaseNeeded.
  void CheckNobodyNeeded() const;

 private:
  void Judge(Turn& turn, Worker& worker);
  void Hold(const Worker& worker, bool quarantined);
  void Release(WorkerHealth& health);
  // Those in quarantine with this id or name.
  std::vector<WorkerHealth*> Find(std::string_view worker) const;
  bool IsKnown(std::string_view worker) const;

  State& s_;
  ActionLog& log_;
};

}  // namespace treadle::engine
