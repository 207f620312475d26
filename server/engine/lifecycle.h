#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "server/engine/dead_letters.h"
#include "server/engine/pauses.h"
#include "server/engine/quarantines.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// The states of a task and the ways between them. Every change of a task's state goes through here,
// so that counters, lines, timers, rows and outputs follow.
class Lifecycle {
 public:
  Lifecycle(State& state, DeadLetters& letters, Pauses& pauses, Quarantines& quarantines)
      : s_(state), letters_(letters), pauses_(pauses), quarantines_(quarantines) {}

  // So many tasks' place in their queue, before Enter. Finish gives it up, one by one.
  Line& ObtainLine(Queue& queue, const std::string& type, uint32_t tasks);
  // Loading: a task that has ended is not in its line.
  void ReturnLine(const Task& task) { LeaveLine(task); }
  // The queue has no tasks, and goes.
  void DropLines(Queue& queue);
  bool HasRoomForType(const Queue& queue, const std::string& type) const;

  // Parts tasks that are in one object. `count` of them, from this id on, have their own then.
  // REQUIRES: task holds them.
  Task& Part(Task& task, TaskId id, uint32_t count = 1);
  // The one that is leased under this token. REQUIRES: it is one of these.
  Task& PartLeased(Task& task, Token token);
  // The same for the first ones of them, and, of a runnable task, for those whose turn is next.
  Task& PartFirst(Task& task, uint32_t count = 1);
  Task& PartNext(Task& task, uint32_t count);

  // A new task, or one whose attempt is over, waits: SCHEDULED or QUEUED.
  void Enter(Task& task, int64_t now_ms);
  // Its timer has fired. Of several tasks that expire it is the first one's, and fires again.
  void Due(Turn& turn, Task& task);
  // These, and what follows without saying otherwise, are about one task: see Part.
  void Cancel(Turn& turn, Task& task, const std::string& reason = {});
  void Expire(Turn& turn, Task& task);
  // REQUIRES: it is queued.
  void FailUnserved(Turn& turn, Task& task, TaskError error);

  // QUEUED → RUNNING, of several too. Grant and tokens are made at the end of the Tick.
  void Lend(Task& task, Taker& taker);
  // A lease that was found in the rows, after a restart (or several of a worker); and that its
  // length was stored otherwise.
  void Restore(Task& task, Grant& grant, Token token, Worker* worker, int64_t now_ms);
  void RestoreLength(Task& task, int64_t lease_ms);
  // A unary lease lives for another `lease_ms`, also over a restart, but not beyond its attempt's
  // time. Returns what must be safe before that is said.
  Durability Extend(Turn& turn, Task& task, int64_t lease_ms);
  // The attempt is executing: this bounds its time, and it is to blame when its worker dies.
  void MarkStarted(Turn& turn, Task& task);

  // How attempts end. REQUIRES: the task is running. GiveBack: without one, by the holder's choice.
  // Succeed's body is the result, or those of several, with the bytes of each; Fail's the error's
  // details.
  void Succeed(Turn& turn, Task& task, BodyPart body, std::vector<uint32_t> result_sizes = {});
  void Fail(Turn& turn, Task& task, TaskError error, BodyPart body = {});
  void StoppedByItself(Turn& turn, Task& task);
  void GiveBack(Turn& turn, Task& task);
  void LoseLease(Turn& turn, Task& task);

  // A worker that holds enough payload bytes takes nothing until some are gone.
  void UpdateBlocked(Worker& worker);
  // When the task's timers must fire, by what it is doing: that in service time, and that by the
  // wall clock.
  int64_t NextDue(const Task& task) const {
    return NextDue(task, task.lease == nullptr ? kNever : UnaryLeaseDue(task, /*unheard_ms=*/0));
  }
  int64_t NextDate(const Task& task) const;
  void Retime(Task& task) {
    s_.timers.Set(task, NextDue(task));
    s_.dates.Set(task, NextDate(task));
  }
  // In service time, as the clocks are now; kNever: it has none.
  int64_t DeadlineDue(const Task& task) const;
  // When a unary lease is over: by its length, or by the time that its attempt may take.
  int64_t UnaryLeaseEnd(const Task& task) const {
    return std::min(TimeoutDue(task), UnaryLeaseDue(task, /*unheard_ms=*/0));
  }

 private:
  enum class Pace { kBackoff, kAtOnce };
  // Who had the task last. Unix time, as FailedAttempt's.
  struct EndedLease {
    Name worker;
    int64_t leased_at_ms = 0;
    int64_t started_at_ms = 0;
  };
  // How tasks end: several that succeed, or one.
  struct Ending {
    TaskState state{};
    int32_t attempts = 0;
    EndedLease attempt = {};  // the last one
    TaskError error = {};
    BodyPart body = {};
    std::vector<uint32_t> result_sizes = {};
  };

  Task& SplitAfter(Task& task, uint32_t keep);
  void SplitLease(Task& task, Task& rest);
  void LeaveRun(Turn& turn, const Task& task);
  void MakeRunnable(Task& task, int64_t now_ms);
  void Wake(Turn& turn, Task& task);
  void BeginLeases(Worker& worker);
  void LeaveWaiting(Task& task);
  void LeaveLine(const Task& task);
  void DropOldestLine(Queue& queue);
  void Changed(Turn& turn, const Task& task);
  void Finish(Turn& turn, Task& task, Ending ending);
  void Finish(Turn& turn, Task& task, FinishedRow&& row);
  FinishedRow RowOf(const Task& task, TaskState state, int64_t now_ms) const;

  int64_t NextDue(const Task& task, int64_t lease_due_ms) const;
  int64_t UnaryLeaseDue(const Task& task, int64_t unheard_ms) const;
  int64_t TimeoutDue(const Task& task) const;
  void TimeOut(Turn& turn, Task& task);
  void EndFailedAttempt(Turn& turn, Task& task, TaskError error, Pace pace, BodyPart body = {});
  TaskError TimeoutError(const Task& task) const;
  // The attempt is over, before its lease is.
  static void CountAttempt(const Task& task, int64_t now_ms);
  EndedLease EndLease(Turn& turn, Task& task);
  void Requeue(Turn& turn, Task& task);
  void PutAttempt(Turn& turn, Task& task);
  void StopHolder(Turn& turn, const Task& task, StopReason reason);

  State& s_;
  DeadLetters& letters_;
  Pauses& pauses_;
  Quarantines& quarantines_;
};

}  // namespace treadle::engine
