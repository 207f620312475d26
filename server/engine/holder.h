#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/health.h"
#include "server/engine/intrusive_list.h"
#include "server/engine/matching.h"
#include "server/engine/task.h"
#include "server/engine/timers.h"
#include "server/engine/types.h"

// Who can hold leases.

namespace treadle::engine {

struct Drain;
struct Worker;
struct Poll;

struct Holder {
  explicit Holder(Worker* as_worker) : worker(as_worker) {}
  explicit Holder(Poll* as_poll) : poll(as_poll) {}

  // One of them.
  Worker* const worker = nullptr;
  Poll* const poll = nullptr;

  CallId call{};  // 0: not connected
  Name name;
  Origin origin;
  int64_t weight = 0;             // of the names that it waits for, as long as it does
  std::vector<LiveLease*> given;  // in this Tick; becomes a grant at its end
};

struct Pool {
  explicit Pool(Holder& holder) : taker(holder) {}

  PoolSpec spec;
  Taker taker;
  int32_t leased = 0;
  int32_t running = 0;
};

// A worker that has attached. Without a stream it is kept as long as it has leases.
struct Worker : Holder, Timed {
  explicit Worker(std::string worker_id)
      : Holder(this), Timed(TimedKind::kWorker), id(std::move(worker_id)) {}

  const std::string id;
  std::string peer;
  Labels labels;
  std::vector<Drain*> drains;  // that it matches
  bool draining = false;       // takes no more tasks
  bool retiring = false;
  bool blocked = false;  // holds as many payload bytes as one worker may
  std::vector<std::string> queues;
  std::vector<std::unique_ptr<Pool>> pools;
  int64_t attached_at_ms = 0;
  int64_t heard_listened_ms = 0;  // see State::deaf_ms
  List<LiveLease, WorkerLeaseTag> leases;
  int64_t lease_count = 0;
  uint64_t leased_bytes = 0;
  int64_t succeeded_total = 0;
  int64_t failed_total = 0;
  WorkerHealth* health = nullptr;  // null: none of its attempts has failed
  // What the reports handled on this stream need at most. It never goes back: an answer says that
  // all earlier reports are safe too.
  Durability report_durability = Durability::kMemory;

  void TakeNoMore(Matching& matching, int64_t now_ms) {
    draining = true;
    for (const auto& pool : pools) {
      pool->taker.credit = 0;
      matching.Retire(pool->taker, now_ms);
    }
  }
};

// A unary Lease call that waits.
struct Poll : Holder, Timed {
  Poll() : Holder(this), Timed(TimedKind::kPoll), taker(*this) {}

  Taker taker;
  int64_t since_ms = 0;
  int64_t lease_ms = 0;
  uint64_t given_bytes = 0;  // payloads
};

}  // namespace treadle::engine
