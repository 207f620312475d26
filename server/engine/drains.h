#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "server/engine/action_log.h"
#include "server/engine/command.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"
#include "server/engine/view.h"

namespace treadle::engine {

// Drains of workers: those that match one get no tasks, and are told to end. A drain is stored, so
// it holds for whoever attaches while it stands, also after a restart.
class Drains {
 public:
  Drains(State& state, ActionLog& log) : s_(state), log_(log) {}

  void Apply(Turn& turn, SetDrain&& command);
  void Apply(Turn& turn, const RemoveDrain& command);
  // Its time is over.
  void Due(Turn& turn, Drain& drain) { Drop(turn, drain); }

  // The worker has its name and labels: finds the drains that it matches.
  void Follow(Worker& worker);
  // The worker goes.
  void Forget(Worker& worker);

  // Loading. False: it is there already.
  bool AddLoaded(const DrainRow& row);

  std::optional<DrainView> Find(uint64_t id) const;
  // Up to `limit` drains with ids above `after`; at least one, if there is one, and no more when
  // many workers were looked at.
  std::vector<DrainView> List(uint64_t after, size_t limit) const;

 private:
  Drain* FindSame(const DrainMatch& match) const;
  void Drop(Turn& turn, Drain& drain);
  DrainView ViewOf(const Drain& drain) const;

  State& s_;
  ActionLog& log_;
};

// `pattern` has * for any bytes, and ? for one.
bool MatchesPattern(std::string_view pattern, std::string_view text);

}  // namespace treadle::engine
