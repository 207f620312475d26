#pragma once

#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "server/engine/lifecycle.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// What holders of leases say about their attempts. The token of a lease that is over, or is someone
// else's, changes nothing and is told so.
class Reports {
 public:
  Reports(State& state, Lifecycle& lifecycle) : s_(state), lifecycle_(lifecycle) {}

  void Apply(Turn& turn, const StartAttempt& start);
  void Apply(Turn& turn, EndAttempt&& end);
  void Apply(Turn& turn, const EndReports& reports);
  void Apply(Turn& turn, const ExtendLease& extend);
  // Ends a turn: the row of the unary reports that were accepted in it.
  void WriteAccepted(Turn& turn);

  // The task that is leased under this token, or those that it is one of, if this call may speak
  // for it: an attached worker only for its own and for unary ones; a unary call, which is nobody
  // in particular, for whatever it has the token of.
  absl::StatusOr<Task*> Find(CallId call, Token token) const;

 private:
  void EndOne(Turn& turn, EndAttempt&& end);
  // What the worker's next EndReports waits for, if this call is an attached worker's.
  void RaiseReportDurability(CallId call, Durability to);
  // Of those whose tokens begin with `token`, as many as are one object. How many that are; 0: the
  // first one is alone, or its lease is over.
  uint32_t EndSeveral(Turn& turn, CallId call, Token token, const BodyPart& results,
                      absl::Span<const uint32_t> sizes);

  State& s_;
  Lifecycle& lifecycle_;
};

}  // namespace treadle::engine
