#pragma once

#include <cstdint>
#include <string>

#include "server/engine/state.h"
#include "server/engine/turn.h"

namespace treadle::engine {

// Queues that start nothing for a while: an operator has paused them, or their circuit breaker has,
// because too many of their attempts have failed.
class Pauses {
 public:
  explicit Pauses(State& state) : s_(state) {}

  // Also of a queue that is paused already: the reason and the end are these then. `for_ms` 0:
  // until it is resumed.
  void Begin(Turn& turn, Queue& queue, int64_t for_ms, bool by_breaker, std::string reason);
  void End(Turn& turn, Queue& queue);
  // Its timer has fired.
  void Due(Turn& turn, PauseEnd& end) { End(turn, end.queue); }

  // So many attempts of the queue's tasks have ended well; one has failed.
  void Succeeded(Queue& queue, uint32_t attempts) {
    if (queue.attempts != nullptr) queue.attempts->Add(s_.now_ms, attempts, 0);
  }
  void Failed(Turn& turn, Queue& queue, const TaskError& error);
  // Its configuration is new, or was loaded. What was counted by the same rule stays counted.
  void Follow(Queue& queue, const CircuitBreaker& before = {});
  // The queue goes; whoever serves its name stays.
  void Forget(Queue& queue) {
    queue.pause = {};
    s_.timers.Clear(queue.pause_end);
    queue.pauses = {};
  }

 private:
  State& s_;
};

}  // namespace treadle::engine
