#pragma once

#include "server/engine/action_log.h"
#include "server/engine/admission.h"
#include "server/engine/dead_letters.h"
#include "server/engine/lifecycle.h"
#include "server/engine/pauses.h"
#include "server/engine/state.h"
#include "server/engine/turn.h"
#include "server/engine/unserved.h"

namespace treadle::engine {

// What operators do to queues.
class QueueCommands {
 public:
  QueueCommands(State& state, Lifecycle& lifecycle, Admission& admission, DeadLetters& letters,
                Pauses& pauses, Unserved& unserved, ActionLog& log)
      : s_(state),
        lifecycle_(lifecycle),
        admission_(admission),
        letters_(letters),
        pauses_(pauses),
        unserved_(unserved),
        log_(log) {}

  void Apply(Turn& turn, const CreateQueue& create);
  void Apply(Turn& turn, const UpdateQueue& update);
  void Apply(Turn& turn, const DeleteQueue& remove);
  void Apply(Turn& turn, const PauseQueue& pause);
  void Apply(Turn& turn, const PurgeQueue& purge);

  // Goes on with purges, a bounded part in each turn.
  void ContinuePurges(Turn& turn);

 private:
  // Null: answered that there is no such queue.
  Queue* FindOrRefuse(Turn& turn, CallId call, const std::string& name);
  // The queue is as it was, and will have this configuration.
  void NoteUpdate(Turn& turn, const UpdateQueue& update, const Queue& queue,
                  const QueueConfig& config);
  void EndPurge(Turn& turn, Queue& queue);

  State& s_;
  Lifecycle& lifecycle_;
  Admission& admission_;
  DeadLetters& letters_;
  Pauses& pauses_;
  Unserved& unserved_;
  ActionLog& log_;
};

}  // namespace treadle::engine
