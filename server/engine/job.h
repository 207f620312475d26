#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/search/filter.h"
#include "server/engine/row.h"
#include "server/engine/timers.h"

namespace treadle::engine {

// Unfinished tasks that a job has looked at in one step.
struct TaskStep {
  struct Match {
    TaskId task;
    TaskId row;  // that has its headers
    // How far the step had come before it: as below.
    int64_t looked_at = 0;
    uint64_t next = 0;
  };
  std::vector<Match> matches;  // by all but its filter's headers
  int64_t looked_at = 0;
  uint64_t next = 0;  // JobRow::next, behind it
};

struct Job {
  JobRow row;
  // The row's, to be asked; null: it has none, or the job has ended.
  std::shared_ptr<const search::Filter> filter;
  int64_t due_ms = 0;     // its next step
  uint64_t reading = 0;   // of dead letters, under way; 0: none
  std::string waits_for;  // why the next step is put off; empty: it is not
  // The step that waits for JobTasksFound. It is in no row: after a restart it is taken again.
  std::optional<TaskStep> asked;
  // No dead letter that it is about has its task's row elsewhere: see DeadLetters.
  bool all_moved = false;

  bool running() const { return row.state == JobState::kRunning; }
  bool waits_for_broker() const { return reading != 0 || asked.has_value(); }
};

struct JobTable {
  std::map<uint64_t, Job> all;  // by id: the oldest first
  std::map<uint64_t, Job*> running;
};

}  // namespace treadle::engine
