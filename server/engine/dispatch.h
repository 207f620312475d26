#pragma once

#include <vector>

#include "server/engine/admission.h"
#include "server/engine/attachments.h"
#include "server/engine/lifecycle.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// Gives runnable tasks to those with credit, and makes one grant for each holder.
class Dispatch {
 public:
  Dispatch(State& state, Lifecycle& lifecycle, Admission& admission, Attachments& attachments)
      : s_(state), lifecycle_(lifecycle), admission_(admission), attachments_(attachments) {}

  // Until no runnable task and fitting credit are left together.
  void Run(Turn& turn);
  // Polls whose wait is over get their empty answer.
  void AnswerDuePolls(Turn& turn);

 private:
  // How many of the pair's tasks the taker is given at once.
  uint32_t Share(const Matching::Pair& pair) const;
  void MakeGrant(Turn& turn, Holder& holder);
  Lease LeaseOf(const LiveLease& lease) const;

  State& s_;
  Lifecycle& lifecycle_;
  Admission& admission_;
  Attachments& attachments_;
};

}  // namespace treadle::engine
