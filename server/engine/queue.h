#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"

#include "server/engine/ascending_heap.h"
#include "server/engine/attempt_meter.h"
#include "server/engine/census.h"
#include "server/engine/health.h"
#include "server/engine/indexed_heap.h"
#include "server/engine/intrusive_list.h"
#include "server/engine/rate_meter.h"
#include "server/engine/row.h"
#include "server/engine/task.h"
#include "server/engine/timers.h"
#include "server/engine/trail.h"
#include "server/engine/types.h"
#include "server/engine/waiter.h"

namespace treadle::engine {

struct Seat;
struct Subscription;

struct TurnSeatTag;
struct LineSeatTag;
struct SubscriptionTag;
struct IdleLineTag;
struct ActiveQueueTag;

// Where a runnable task stands among those of its queue: the least comes first.
struct ReadyKey {
  int64_t rank = 0;  // PRIORITY: the priority, negated; otherwise 0
  uint64_t order = 0;

  bool operator<(const ReadyKey& other) const {
    return rank != other.rank ? rank < other.rank : order < other.order;
  }
};
ReadyKey ReadyKeyOf(Discipline discipline, int32_t priority, uint64_t order, uint32_t count = 1);
ReadyKey ReadyKeyOf(const Task& task, Discipline discipline);

// The tasks of one type in one queue: what has one type fits the same workers. Its timer: see
// unserved.h.
struct Line : Timed, ListNode<IdleLineTag> {
  Line(Queue& of_queue, Name of_type)
      : Timed(TimedKind::kLine), queue(of_queue), type(std::move(of_type)) {}

  Queue& queue;
  const Name type;
  int64_t unfinished = 0;
  AscendingHeap<ReadyKey, Task, &Task::ready_slot> ready;
  List<Task, WaitingTaskTag> queued_tasks;  // who became runnable first is first
  // Those who take this type by name. `turn`: who may take a task now, as far as is known, the one
  // who has waited longest first.
  List<Seat, LineSeatTag> seats;
  List<Seat, TurnSeatTag> turn;
  uint32_t ready_slot = kNoSlot;
  uint32_t served_slot = kNoSlot;
  // Of `seats`, those whose workers do not drain; and leases without a worker's stream: their
  // holders ask for the next task when they are done.
  int64_t named_servers = 0;
  int64_t unary_leases = 0;
  int64_t named_left_ms = 0;  // when the last of these went
  Trail named;                // 1 while there are `seats`
  int64_t stall_told_ms = 0;  // see StallWatch; 0: never
  const std::shared_ptr<AttemptScore> score = std::make_shared<AttemptScore>();

  // Somebody is there who takes its tasks, or will when he has done what he has.
  bool served() const;
};

struct QueueTotals : QueueCounts {
  RateMeter submit_rate;
  RateMeter finish_rate;
};

// A queue's dead letters, as far as the engine remembers them: see dead_letters.h.
struct LetterBox : Timed {
  explicit LetterBox(Queue& its_queue) : Timed(TimedKind::kLetters), queue(its_queue) {}

  struct Group : LetterGroup {
    bool stored = false;
    bool has_news = false;  // to be stored at the turn's end
  };

  Queue& queue;
  absl::btree_map<uint64_t, Group> groups;  // by fingerprint
  int64_t count = 0;
  int64_t bytes = 0;
  uint64_t first = 0;           // no number is below it
  uint64_t last = 0;            // the latest one's; 0: it came before the start
  int64_t oldest_since_ms = 0;  // none has been dead for longer
  // The sweep that is under way; 0: none. It finds those with numbers below `read_before`; whatever
  // is above has come since read_at_ms.
  uint64_t reading = 0;
  uint64_t read_before = 0;
  int64_t read_at_ms = 0;
};

// A purge that goes on over several turns, so that no turn grows without bound.
struct Purge {
  struct Caller {
    CallId call{};
    int64_t cancelled_before = 0;
  };
  List<Task, WaitingTaskTag> tasks;  // still to be cancelled
  uint64_t before_order = 0;
  int64_t begun_ms = 0;
  int64_t cancelled = 0;
  std::vector<Caller> callers;
};

// When a queue resumes by itself.
struct PauseEnd : Timed {
  explicit PauseEnd(Queue& its_queue) : Timed(TimedKind::kPause), queue(its_queue) {}

  Queue& queue;
};

// A queue; or, while it is not `declared`, only a name that workers wait for.
struct Queue : ListNode<ActiveQueueTag> {
  explicit Queue(Name its_name) : name(std::move(its_name)), pause_end(*this) {}

  const Name name;
  bool declared = false;
  QueueConfig config;
  Pause pause;  // see pauses.h
  PauseEnd pause_end;
  bool closed = false;        // takes no new tasks
  int64_t version = 1;        // of `config` and `closed`
  int64_t created_at_ms = 0;  // Unix time
  Origin origin;              // who made it

  absl::flat_hash_map<std::string, std::unique_ptr<Line>> lines;
  Line* latest_line = nullptr;  // the last one asked for: submits come in runs
  List<Line, IdleLineTag> idle_lines;
  int64_t idle_line_count = 0;

  int64_t scheduled = 0;
  int64_t queued = 0;
  int64_t running = 0;
  uint64_t waiting_bytes = 0;
  List<Task, WaitingTaskTag> scheduled_tasks;
  std::unique_ptr<Purge> purge;
  std::unique_ptr<LetterBox> letters;  // null: it has none

  List<Waiter, QueueWaiterTag> waiters;
  int64_t waiter_count = 0;  // their followers too
  bool has_room_news = false;

  // Matching. Lines with runnable tasks by their heads: all of them, and those that someone named
  // who may have credit.
  IndexedHeap<ReadyKey, Line, &Line::ready_slot> ready_lines;
  IndexedHeap<ReadyKey, Line, &Line::served_slot> served_lines;
  List<Seat, TurnSeatTag> any_turn;              // those who take every type
  List<Subscription, SubscriptionTag> by_type;   // those who name their types, ...
  List<Subscription, SubscriptionTag> of_every;  // ... and the others
  int64_t subscribers = 0;
  int64_t every_servers = 0;  // of those who take every type: as Line::named_servers
  int64_t every_left_ms = 0;
  int64_t dispatches_since_ms = 0;  // since when it may dispatch
  Trail pauses;
  Trail served;

  QueueTotals totals;
  std::unique_ptr<AttemptMeter> attempts;  // for its circuit breaker; null: it has none
  // While it is declared; where it is not counted apart, those of all such queues: see Census.
  std::shared_ptr<QueueTimes> times;
  bool counted_apart = false;

  int64_t waiting() const { return scheduled + queued; }
  int64_t unfinished() const { return waiting() + running; }
  bool Fits(uint64_t payload_bytes, int64_t tasks = 1) const {
    return waiting() + tasks <= config.max_tasks &&
           waiting_bytes + payload_bytes <= static_cast<uint64_t>(config.max_bytes);
  }
  bool paused() const { return pause.since_ms != 0; }
  // What the trails tell.
  static constexpr uint8_t kPause = 1;
  static constexpr uint8_t kBreakerPause = 2;
  static constexpr uint8_t kServed = 1;
  static constexpr uint8_t kEveryTypeServed = 2;
  uint8_t PauseForTrail() const {
    return !declared || !paused() ? 0 : pause.by_breaker ? kBreakerPause : kPause;
  }
  uint8_t ServedForTrail() const {
    return static_cast<uint8_t>((subscribers > 0 ? kServed : 0) |
                                (of_every.empty() ? 0 : kEveryTypeServed));
  }
  bool may_dispatch() const { return declared && !paused() && purge == nullptr; }
  // Since when its oldest runnable task has been so. Absent: it has none.
  std::optional<int64_t> OldestSince() const;
};

inline bool Line::served() const {
  return named_servers > 0 || unary_leases > 0 || queue.every_servers > 0;
}

inline QueueRow RowOf(const Queue& queue) {
  return {queue.config, queue.pause, queue.created_at_ms, queue.closed, queue.version};
}

inline Queue& Task::queue() const { return line->queue; }

}  // namespace treadle::engine
