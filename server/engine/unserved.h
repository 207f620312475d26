#pragma once

#include <cstdint>

#include "server/engine/lifecycle.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// When a task that has been runnable since `runnable_ms` fails, unless somebody comes who takes its
// type, as the clocks are now. kNever: it is served, or its queue keeps it. `line` null: there is
// none of its type.
int64_t FailsUnservedAt(const Queue& queue, const Line* line, int64_t runnable_ms,
                        const State& state);

// Tasks that nobody serves fail when that has been so for long enough, if their queue says so
// (QueueConfig::fail_unserved_after_ms): no worker that is connected and does not drain takes their
// type, nor does anybody who asks for tasks one by one, or has one of them that he asked for.
//
// A line that nobody serves has a timer, for its oldest task; set by Matching when that begins, and
// set anew when it fires too early. The time in which the broker was down or nobody listened is not
// counted, nor is what passed before.
class Unserved {
 public:
  Unserved(State& state, Lifecycle& lifecycle) : s_(state), lifecycle_(lifecycle) {}

  // Its rule has changed, or it may dispatch again.
  void Follow(const Queue& queue);
  // The timer that was set for `due_ms` has fired: one task fails, and it is set for the next; or
  // that was too early, and it is set anew.
  void Due(Turn& turn, Line& line, int64_t due_ms);

 private:
  int64_t NextDue(const Line& line) const;
  TaskError ErrorOf(const Task& task) const;

  State& s_;
  Lifecycle& lifecycle_;
};

}  // namespace treadle::engine
