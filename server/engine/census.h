#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/engine/histogram.h"
#include "server/engine/types.h"

namespace treadle::engine {

struct State;

// What a queue has counted since it was made, or since the broker's start.
struct QueueCounts {
  int64_t submitted = 0;
  int64_t succeeded = 0;
  int64_t failed = 0;
  int64_t cancelled = 0;
  int64_t expired = 0;
  int64_t retried = 0;

  void Add(const QueueCounts& more);
};

// How long its tasks waited from when they were runnable until they were leased, each attempt, and
// how long its attempts ran: from their start, or their lease when no start was told, to their end.
// Milliseconds.
struct QueueTimes {
  TimeHistogram queueing;
  TimeHistogram running;

  void Add(const QueueTimes& more);
};

// What is counted of a queue, or of several together.
struct QueueCensus {
  Name name;  // null: several
  int64_t queues = 0;
  int64_t paused_queues = 0;
  int64_t scheduled = 0;
  int64_t queued = 0;
  int64_t running = 0;
  int64_t waiting_bytes = 0;
  int64_t waiting_submits = 0;  // for room
  int64_t tasks_max = 0;
  int64_t bytes_max = 0;
  int64_t oldest_age_ms = 0;  // of what is runnable
  // Types with runnable tasks that nobody has offered to take for Census::kUnservedMs; of one queue
  // no more than Census::kTypesMax are looked at.
  int64_t unserved_types = 0;
  int64_t dead_letters = 0;
  int64_t dead_letter_bytes = 0;
  QueueCounts counts;
  QueueTimes times;
};

struct WorkerCensus {
  int64_t connected = 0;
  int64_t draining = 0;     // of these
  int64_t quarantined = 0;  // of these, and not draining
  int64_t away = 0;         // without a stream, and still with leases
  int64_t free_slots = 0;
  int64_t leased_tasks = 0;   // of connected workers
  int64_t started_tasks = 0;  // of these
};

// All queues and workers counted, for those who watch the broker: in pieces, between which the
// engine goes on, so that it stands still for none of them for long. What comes or goes meanwhile
// is counted or not.
//
// The first queues (EngineOptions::counted_queues_max) are counted one by one, as long as they are
// there: those that are there at the start by name, then each new one while there is room. The
// others are counted together, and what they had counted stays counted when they are deleted: so
// counts only grow. With `together` all of them are `others`, those deleted included, and types are
// not looked at.
struct Census {
  // How the others are called, together. A queue of that name is always one of them.
  static constexpr char kOthers[] = "(others)";
  static constexpr int64_t kUnservedMs = 60'000;
  static constexpr int64_t kTypesMax = 1'000;

  bool together = false;
  std::vector<QueueCensus> queues;
  QueueCensus others;
  WorkerCensus workers;

  // Where to go on.
  enum class Next : uint8_t { kQueues, kWorkers, kNothing };
  Next next = Next::kQueues;
  std::string after;
};

// Counts some more, about `most` queues, types and workers. False: that was all.
bool ContinueCensus(const State& state, int64_t now_ms, int64_t most, Census& census);

}  // namespace treadle::engine
