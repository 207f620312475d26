#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/status/status.h"

#include "server/engine/action_log.h"
#include "server/engine/admission.h"
#include "server/engine/command.h"
#include "server/engine/dead_letters.h"
#include "server/engine/output.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// What is done to dead letters that somebody names: they are redriven, or dropped.
//
// The engine does not know them, so they are read first: LettersWanted is answered with
// LettersFound, as often as it takes. Meanwhile others may take them as well: each goes to whoever
// comes first.
class LetterCommands {
 public:
  LetterCommands(State& state, DeadLetters& letters, Admission& admission, ActionLog& log)
      : s_(state), letters_(letters), admission_(admission), log_(log) {}

  void Apply(Turn& turn, TakeLetters&& command);
  void Apply(Turn& turn, LettersFound&& command);

  // Submits the dead letter's task again, as `new_id`, and drops the letter. Not OK: why the task
  // is not accepted; then nothing is changed. REQUIRES: the letter is not gone.
  absl::Status Redrive(Turn& turn, const RedriveTo& to, Origin origin, LettersFound::Letter& letter,
                       TaskId new_id);

 private:
  struct Request {
    TakeLetters command;
    LettersTaken answer;
  };

  // Of one queue's, which were all taken in this turn.
  void Note(Turn& turn, const TakeLetters& command, const std::string& queue,
            const std::vector<TaskId>& taken);
  // Those that have no answer yet.
  void Want(Turn& turn, uint64_t reading, const Request& request);
  // OK: it is taken.
  absl::Status Take(Turn& turn, const TakeLetters& command, LettersFound::Letter& letter,
                    TaskId new_id);

  State& s_;
  DeadLetters& letters_;
  Admission& admission_;
  ActionLog& log_;
  std::map<uint64_t, Request> requests_;  // by reading
};

}  // namespace treadle::engine
