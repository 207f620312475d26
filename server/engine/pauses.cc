#include "server/engine/pauses.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "server/engine/history.h"

namespace treadle::engine {

void Pauses::Begin(Turn& turn, Queue& queue, int64_t for_ms, bool by_breaker, std::string reason) {
  Pause& pause = queue.pause;
  if (!queue.paused()) {
    pause.since_ms = std::max<int64_t>(1, s_.Shown(turn.now_ms()));
    queue.dispatches_since_ms = turn.now_ms();
  }
  pause.until_ms = for_ms == 0 ? 0 : turn.now_ms() + for_ms;
  pause.by_breaker = by_breaker;
  pause.reason = std::move(reason);
  queue.pauses.Note(turn.now_ms(), queue.PauseForTrail());
  s_.timers.Set(queue.pause_end, pause.until_ms == 0 ? kNever : pause.until_ms);
  turn.Put(RowOf(queue));
  s_.matching.Activate(queue);
}

void Pauses::End(Turn& turn, Queue& queue) {
  if (!queue.paused()) return;
  queue.pause = {};
  queue.pauses.Note(turn.now_ms(), 0);
  s_.timers.Clear(queue.pause_end);
  if (queue.attempts != nullptr) queue.attempts->Clear();
  queue.dispatches_since_ms = turn.now_ms();
  turn.Put(RowOf(queue));
  s_.matching.Activate(queue);
}

void Pauses::Failed(Turn& turn, Queue& queue, const TaskError& error) {
  if (queue.attempts == nullptr) return;
  queue.attempts->Add(turn.now_ms(), 1, 1);
  if (queue.paused()) return;
  const CircuitBreaker& breaker = queue.config.breaker;
  const AttemptMeter::Counts counts = queue.attempts->InWindow(turn.now_ms());
  if (counts.ended < breaker.min_attempts ||
      100 * counts.failed < breaker.failure_percent * counts.ended) {
    return;
  }
  std::string reason =
      absl::StrCat(counts.failed, " of ", counts.ended, " attempts failed within ",
                   breaker.window_ms / limits::kSecondMs, " s; the last: ", error.type);
  if (!error.message.empty()) absl::StrAppend(&reason, ": ", error.message);
  Begin(turn, queue, breaker.resume_after_ms, /*by_breaker=*/true,
        Cut(std::move(reason), limits::kNameBytesMax));
}

void Pauses::Follow(Queue& queue, const CircuitBreaker& before) {
  s_.timers.Set(queue.pause_end, queue.pause.until_ms == 0 ? kNever : queue.pause.until_ms);
  queue.pauses.Note(s_.now_ms, queue.PauseForTrail());
  const CircuitBreaker& breaker = queue.config.breaker;
  if (breaker.failure_percent == 0) {
    queue.attempts = nullptr;
  } else if (queue.attempts == nullptr || breaker.window_ms != before.window_ms) {
    queue.attempts = std::make_unique<AttemptMeter>(breaker.window_ms);
  }
}

}  // namespace treadle::engine
