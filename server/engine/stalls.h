#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/engine/state.h"
#include "server/engine/view.h"

namespace treadle::engine {

// Looks for what Matching should never leave: a runnable task that nothing holds back, and a free
// slot of an attached worker that fits it, apart for a whole turn. One look goes on where the last
// one stopped.
class StallWatch {
 public:
  explicit StallWatch(State& state) : s_(state) {}

  // Looks at about `most` free pools, queues and types. Every line is found once at a time, and
  // what is found is given out in the next Tick.
  // REQUIRES: the last Tick gave out all that it could, and nothing was stepped since.
  std::vector<Stall> Look(int64_t most);

 private:
  // What of a worker comes next.
  struct Place {
    size_t pool = 0;
    size_t queue = 0;
    size_t type = 0;
  };

  // False: `left` is used up.
  bool LookAt(Worker& worker, int64_t& left, std::vector<Stall>& found);
  void Found(Worker& worker, Taker& taker, Line& line, std::vector<Stall>& found);

  State& s_;
  std::string next_worker_;
  Place next_;
};

}  // namespace treadle::engine
