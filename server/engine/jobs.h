#pragma once

#include <cstdint>

#include "absl/status/status.h"

#include "server/engine/action_log.h"
#include "server/engine/command.h"
#include "server/engine/dead_letters.h"
#include "server/engine/job.h"
#include "server/engine/letter_commands.h"
#include "server/engine/lifecycle.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// Jobs: one thing that is done to all tasks that match, step by step, a bounded part in each turn.
//
// How far a job is stands in its row, which is written in the turn of each step: after a restart it
// goes on behind the last step, and nothing is done twice. It ends where it began: what comes later
// has a higher number. Unfinished tasks are in memory, but for their headers. What is not, the
// broker reads: JobLettersWanted is answered with JobLettersFound, and JobTasksWanted, where a
// filter asks for headers, with JobTasksFound.
class Jobs {
 public:
  Jobs(State& state, Lifecycle& lifecycle, DeadLetters& letters, LetterCommands& letter_commands,
       ActionLog& log)
      : s_(state),
        lifecycle_(lifecycle),
        letters_(letters),
        letter_commands_(letter_commands),
        log_(log) {}

  void Apply(Turn& turn, StartJob&& command);
  void Apply(Turn& turn, const CancelJob& command);
  void Apply(Turn& turn, JobLettersFound&& found);
  void Apply(Turn& turn, const JobTasksFound& found);

  // When a job has its next step; kNever: none runs, or all wait for the broker.
  int64_t NextDue() const;
  // Takes each job's step that is due. Once in a turn.
  void Continue(Turn& turn);

  // Loading. Not OK: why its filter cannot be read. REQUIRES: it is not there yet.
  absl::Status AddLoaded(const JobRow& row);

 private:
  absl::Status Check(const StartJob& command) const;
  int64_t CountTasks(const JobSpec& spec) const;
  void CancelSome(Turn& turn, Job& job);
  void AskForHeaders(Turn& turn, Job& job, TaskStep step);
  void EndStep(Turn& turn, Job& job, const TaskStep& step);
  void ReadSome(Turn& turn, Job& job);
  bool AnyMoves(const Job& job) const;
  absl::Status Take(Turn& turn, const JobSpec& spec, LettersFound::Letter& letter, TaskId new_id);
  // How many tasks the next step may do something to; and when the one after it is due.
  int64_t StepOf(const Job& job, int64_t most) const;
  void Pace(Job& job, int64_t tasks);
  void End(Turn& turn, Job& job, JobState state);
  void DropOldest(Turn& turn);

  State& s_;
  Lifecycle& lifecycle_;
  DeadLetters& letters_;
  LetterCommands& letter_commands_;
  ActionLog& log_;
};

}  // namespace treadle::engine
