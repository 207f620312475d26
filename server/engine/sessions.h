#pragma once

#include "server/engine/admission.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// Clients' sessions: opened, resumed, acknowledged, closed, forgotten.
class Sessions {
 public:
  Sessions(State& state, Admission& admission) : s_(state), admission_(admission) {}

  void Apply(Turn& turn, const OpenSession& open);
  void Apply(Turn& turn, const AcknowledgeSession& acknowledge);
  void Apply(Turn& turn, const CloseSession& close);

  // The session's stream is gone: it may be resumed for a while, which is short when others without
  // a task leave theirs.
  void Detach(Turn& turn, Session& session);
  // The timer that was set for `due_ms` has fired: it was not resumed in time, or nobody listened
  // for a while and the timer is set anew.
  void Due(Turn& turn, Session& session, int64_t due_ms);
  // Ends a turn: rows of the sessions that changed.
  void WriteChanged(Turn& turn);

 private:
  bool IsTooFar(const Session& session, uint64_t below) const;
  void TakeOver(Session& session, CallId newer);
  void Attach(Session& session, CallId call);
  void Forget(Turn& turn, Session& session);
  absl::Status CheckRoom(Origin origin) const;

  State& s_;
  Admission& admission_;
};

}  // namespace treadle::engine
