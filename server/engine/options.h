#pragma once

#include <cstdint>

#include "proto/support/limits.h"
#include "server/engine/types.h"

namespace treadle::engine {

// Bounds and times in force. The defaults are the product's.
struct EngineOptions {
  bool auto_create_queues = true;
  int64_t queue_max_tasks = 1'000'000;         // of an undeclared queue
  int64_t queue_max_bytes = int64_t{4} << 30;  // of an undeclared queue
  DeadLetterPolicy dead_letters;               // of an undeclared queue
  int64_t queues_max = 10'000;
  int64_t counted_queues_max = 1'000;  // each by itself: see Census
  int64_t types_per_queue_max = 10'000;
  int64_t unfinished_tasks_max = 20'000'000;
  int64_t sessions_max = 100'000;
  // Sessions that never had a task, and were left without being closed: the oldest gives way to one
  // more. At most a tenth of sessions_max.
  int64_t empty_sessions_max = 1'000;
  int64_t workers_max = 10'000;
  int64_t waiting_submitters_max = 100'000;  // of one queue
  int64_t polls_max = 100'000;               // unary Lease calls that wait
  // What the names of queues and types weigh that workers and waiting polls name.
  int64_t takers_bytes_max = int64_t{256} << 20;
  // Payload bytes that one poll is given: once it has as many, it gets no further task. So that the
  // answer fits into the message that a client of gRPC takes unless told otherwise.
  int64_t poll_bytes_max = int64_t{3} << 20;
  int32_t credit_max = 100'000;  // unused, of one pool
  // An attached worker that has this many payload bytes leased, or more, gets no further task.
  int64_t worker_inflight_bytes_max = int64_t{64} << 20;
  // Results of tasks that succeeded together are one row up to so many bytes, so that reading one
  // of them reads not much more.
  int64_t outcome_row_bytes_max = int64_t{256} << 10;
  // A run's row with so many bytes of payloads, most of which belong to tasks that have ended, is
  // compacted when that has been so for a while (more than 0).
  int64_t compaction_bytes_min = 64 << 10;
  int64_t compaction_after_ms = 10'000;
  int64_t session_gap_max = 1'000'000;  // how far a sequence may jump ahead
  // Gaps between one session's accepted sequences: all of them are written whenever one changes.
  int64_t session_ranges_max = 1'000;
  int64_t reports_kept_max = 100'000;  // accepted unary reports that may come again
  int64_t lease_ms = 15'000;           // of an attached worker, renewed by every message
  int64_t resume_window_ms = 600'000;  // a session without a stream is kept so long
  int64_t request_key_window_ms = 86'400'000;
  int64_t attempt_timeout_grace_ms =
      1'000;  // the worker's own report of a timeout, which says more, gets this long to arrive
  // Timers that fire in one turn; the rest fire in the next, at once, and nothing is given out
  // before. A million tasks with the same deadline are not to make one batch of a gigabyte.
  int64_t timers_per_turn_max = 100'000;
  // Tasks that purges cancel in one turn: each is a row and an output.
  int64_t purged_per_turn_max = 10'000;
  // Groups of dead letters: they are kept in memory, each with an error's message of up to 1 KiB.
  int64_t letter_groups_max = 100'000;
  int64_t letter_groups_per_queue_max = 1'000;
  int64_t jobs_running_max = limits::kJobsRunningMax;
  // Attempts of an attached worker that fail one after the other, while others' succeed, until it
  // gets no more tasks: see quarantines.h. 0: it always does.
  int64_t quarantine_after = 20;
  // Leases of a task that were lost without word of a start; then the next one costs an attempt.
  int32_t unexplained_losses_max = 10;
};

}  // namespace treadle::engine
