#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "server/engine/row.h"
#include "server/engine/timers.h"

namespace treadle::engine {

struct Job {
  JobRow row;
  int64_t due_ms = 0;     // its next step
  uint64_t reading = 0;   // of dead letters, under way; 0: none
  std::string waits_for;  // why the next step is put off; empty: it is not
  // No dead letter that it is about has its task's row elsewhere: see DeadLetters.
  bool all_moved = false;

  bool running() const { return row.state == JobState::kRunning; }
};

struct JobTable {
  std::map<uint64_t, Job> all;  // by id: the oldest first
  std::map<uint64_t, Job*> running;
};

}  // namespace treadle::engine
