#include "server/engine/unserved.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "proto/support/units.h"

namespace treadle::engine {
namespace {

// Since when nobody has served it, at the earliest: before, somebody did, its queue started
// nothing, or the broker did not listen. REQUIRES: nobody does.
int64_t UnservedSince(const Line& line, const State& state) {
  const Queue& queue = line.queue;
  return std::max(
      {line.named_left_ms, queue.every_left_ms, queue.dispatches_since_ms, state.loaded_at_ms});
}

std::string TimeText(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromUnixMillis(unix_ms),
                          absl::UTCTimeZone());
}

}  // namespace

int64_t FailsUnservedAt(const Queue& queue, const Line* line, int64_t runnable_ms,
                        const State& state) {
  const int64_t after_ms = queue.config.fail_unserved_after_ms;
  if (after_ms == 0 || !queue.may_dispatch()) return kNever;
  if (line == nullptr) return runnable_ms + after_ms;
  if (line->served()) return kNever;
  const int64_t since_ms = std::max(runnable_ms, UnservedSince(*line, state));
  return state.WhenListened(state.ListenedAt(since_ms) + after_ms);
}

int64_t Unserved::NextDue(const Line& line) const {
  if (line.queued_tasks.empty()) return kNever;
  return FailsUnservedAt(line.queue, &line, line.queued_tasks.front().waits_since_ms, s_);
}

void Unserved::Follow(const Queue& queue) {
  for (size_t i = 0; i < queue.ready_lines.size(); ++i) {
    Line& line = *queue.ready_lines[i].item;
    s_.timers.Set(line, NextDue(line));
  }
}

void Unserved::Due(Turn& turn, Line& line, int64_t due_ms) {
  int64_t fails_ms = NextDue(line);
  // Somebody may have come whose attach is not stepped yet.
  if (fails_ms != kNever) fails_ms += s_.unheard_ms;
  if (fails_ms > due_ms) return s_.timers.Set(line, fails_ms);
  Task& task = lifecycle_.PartFirst(line.queued_tasks.front());
  lifecycle_.FailUnserved(turn, task, ErrorOf(task));
  s_.timers.Set(line, NextDue(line));
}

TaskError Unserved::ErrorOf(const Task& task) const {
  const Line& line = *task.line;
  TaskError error;
  error.type = "NoWorker";
  error.message =
      absl::StrCat("no worker has run type '", *line.type, "' in queue '", *line.queue.name,
                   "' for ", FormatDurationMs(line.queue.config.fail_unserved_after_ms), ", since ",
                   TimeText(s_.Shown(std::max(task.waits_since_ms, UnservedSince(line, s_)))));
  return error;
}

}  // namespace treadle::engine
