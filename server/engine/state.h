#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "server/engine/call_table.h"
#include "server/engine/drain.h"
#include "server/engine/grant_table.h"
#include "server/engine/health.h"
#include "server/engine/holder_table.h"
#include "server/engine/job.h"
#include "server/engine/matching.h"
#include "server/engine/options.h"
#include "server/engine/queue_table.h"
#include "server/engine/report_log.h"
#include "server/engine/request_keys.h"
#include "server/engine/session_table.h"
#include "server/engine/shares.h"
#include "server/engine/task_table.h"
#include "server/engine/timers.h"

namespace treadle::engine {

// A dead letter whose task's row is not its own yet: see dead_letters.h.
struct LetterMove {
  Name queue;
  uint64_t letter = 0;
  TaskId row;
  std::shared_ptr<TaskRun> run;  // null: the row is the task's own
  uint64_t row_bytes = 0;        // of payloads in it
};

// Nobody listened for a while after `after_ms`, and for `deaf_ms` altogether before that.
struct Deafness {
  int64_t after_ms = 0;
  int64_t deaf_ms = 0;
};

// All that the engine remembers. The tables keep themselves consistent; the rules (Lifecycle,
// Admission, Sessions, Attachments, Quarantines, QueueCommands, Reports, Dispatch) keep them
// consistent with each other.
struct State {
  explicit State(const EngineOptions& with)
      : options(with),
        queues(with.counted_queues_max),
        queue_shares(with.queues_max),
        session_shares(with.sessions_max),
        taker_shares(with.takers_bytes_max) {}

  const EngineOptions options;
  MetaRow counters;
  bool counters_dirty = false;
  int64_t now_ms = 0;        // of the latest step
  int64_t loaded_at_ms = 0;  // what passed before is not in any Trail
  // Leases, and the times in which sessions may be resumed, are counted by a clock that stands
  // still while nobody listens: their fields `..._listened_ms`. Their timers are set as if it never
  // stood still, and set anew when they fire too early.
  int64_t deaf_ms = 0;               // for how long it has stood still
  std::vector<Deafness> deafnesses;  // the latest times, ascending
  int64_t unheard_ms = 0;            // in this Tick: what arrived in so long is not stepped yet
  int64_t wall_offset_ms = 0;        // Unix time minus service time

  Timers timers;
  Dates dates;
  QueueTable queues;
  TaskTable tasks;
  RequestKeys keys;
  WaiterTable waiters;
  SessionTable sessions;
  GrantTable grants;
  ReportLog reports;
  HolderTable holders;
  HealthTable healths;
  CallTable calls;
  Matching matching{timers};
  Shares queue_shares;
  Shares session_shares;
  Shares taker_shares;

  std::map<TaskId, LetterMove> letter_moves;  // of dead letters whose tasks' rows are to be moved
  int64_t letter_groups = 0;                  // of all queues
  JobTable jobs;
  std::map<uint64_t, std::unique_ptr<Drain>> drains;  // by id: the oldest first
  std::vector<Queue*> queues_with_room;               // some left while submitters wait
  std::vector<Queue*> purging;
  std::vector<std::shared_ptr<TaskRun>> changed_runs;  // in this turn
  std::vector<Holder*> given;                          // who was given tasks in this Tick
  bool fewer_serve = false;                            // than before: see Quarantines
  std::vector<CallId> due_polls;  // whose wait is over: answered when all timers have fired

  int64_t ListenedMs() const { return now_ms - deaf_ms; }
  // What the clock of leases showed at this moment. Of what was long ago perhaps more: of the times
  // in which nobody listened, all but the latest 64 are taken for one.
  int64_t ListenedAt(int64_t at_ms) const {
    const auto next =
        std::partition_point(deafnesses.begin(), deafnesses.end(),
                             [at_ms](const Deafness& one) { return one.after_ms < at_ms; });
    return at_ms - (next == deafnesses.end() ? deaf_ms : next->deaf_ms);
  }
  // Nobody has listened for so long since now_ms.
  void AddDeafTime(int64_t ms) {
    if (deafnesses.empty() || deafnesses.back().after_ms < now_ms) {
      deafnesses.push_back({now_ms, deaf_ms});
    }
    if (deafnesses.size() > kDeafnessesMax) {
      deafnesses[1].deaf_ms = deafnesses[0].deaf_ms;
      deafnesses.erase(deafnesses.begin());
    }
    deaf_ms += ms;
  }
  // When the clock of leases will show this time.
  int64_t WhenListened(int64_t listened_ms) const { return listened_ms + deaf_ms; }
  // By when, at the earliest, it is clear that nothing was heard until then. In Tick.
  int64_t WhenHeard(int64_t listened_ms) const { return listened_ms + deaf_ms + unheard_ms; }
  // A moment of service time as Unix time, and a date as service time, both as the clocks are now.
  int64_t Shown(int64_t at_ms) const { return at_ms + wall_offset_ms; }
  int64_t Moment(int64_t at_ms, bool is_date) const {
    return is_date ? at_ms - wall_offset_ms : at_ms;
  }
  // When the next date comes; kNever: there is none.
  int64_t NextDate() const {
    const int64_t date_ms = dates.NextDue();
    return date_ms == kNever ? kNever : Moment(date_ms, /*is_date=*/true);
  }

  uint64_t NextOrders(uint64_t count) {
    counters_dirty = true;
    return std::exchange(counters.next_order, counters.next_order + count);
  }
  uint64_t NextLetter() { return Next(counters.next_letter); }
  uint64_t NextSession() { return Next(counters.next_session); }
  uint64_t NextGrant() { return Next(counters.next_grant); }
  uint64_t NextTokens(uint64_t count) {
    counters_dirty = true;
    return std::exchange(counters.next_token, counters.next_token + count);
  }

 private:
  static constexpr size_t kDeafnessesMax = 64;

  uint64_t Next(uint64_t& counter) {
    counters_dirty = true;
    return counter++;
  }
};

}  // namespace treadle::engine
