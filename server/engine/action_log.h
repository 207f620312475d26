#pragma once

#include <optional>
#include <string>

#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// What operators did, kept by the store alone: the latest limits::kActionsKept. An action is noted
// in the turn that changes something, so it is stored exactly when the change is.
class ActionLog {
 public:
  explicit ActionLog(State& state) : s_(state) {}

  // Nothing without `by`. Longer details are cut.
  void Note(Turn& turn, const std::optional<Actor>& by, ActionKind kind, std::string subject,
            std::string details, std::string reason = {});

 private:
  State& s_;
};

}  // namespace treadle::engine
