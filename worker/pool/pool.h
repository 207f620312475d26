#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "treadle/internal/attempt_result.h"
#include "worker/pool/attempt.h"
#include "worker/pool/output.h"

// Where a worker runs handlers. One interface for every kind of pool, and one conformance suite
// (tests/worker/pool); the manner is that of concurrencpp's executors and folly's.

namespace treadle::worker {

// Whom a pool tells. Called from the pool's threads, never under a lock of the pool; thread-safe.
class AttemptEvents {
 public:
  virtual ~AttemptEvents() = default;

  // A slot is free for the attempt; it begins when this returns true, and its clock is started.
  // False: it must not run, and ends at once. Blocks only for attempts with confirm_start, until
  // the broker knows.
  virtual bool Begin(const AttemptPtr& attempt) = 0;
  // The attempt is over, and its slot is free again. Exactly once for each attempt that Submit took
  // and that was not taken back.
  virtual void End(const AttemptPtr& attempt, AttemptResult result) = 0;
  // What the handler said, while it runs.
  virtual void Progress(const Attempt& attempt, double fraction, std::string_view message) = 0;
  // What the handler said, one thing after the other. True: it was taken, or is of no use any more
  // (the lease is over; there is no room, and the attempt must stop). False: there is no room for
  // it now, and `entry` is as it was; `room`, if there is one, is called at most once, when it is
  // worth while to try again, never after End, on any thread and under its locks.
  virtual bool Output(const Attempt& attempt, OutputEntry& entry,
                      const std::function<void()>& room) = 0;
  // What the operator should know about the pool itself: "child 2 ...".
  virtual void Warn(std::string line) = 0;
};

// The contract:
//   - Attempts begin in the order in which they were submitted, at most slots() at a time. A free
//     slot and a waiting attempt never stay apart.
//   - Every attempt taken by Submit ends in exactly one way: End is called once, or TakeBack
//     returned it, or Shutdown counted it as abandoned.
//   - A handler that throws, or that does not stop, costs its own attempt only.
// Thread-safe, apart from the destructor.
class Pool {
 public:
  // As Shutdown(0 ms).
  virtual ~Pool() = default;

  // For people: "thread".
  virtual std::string_view name() const = 0;
  // How many attempts it runs at once.
  virtual int slots() const = 0;

  // Lines up attempts; never waits for room. Returns how many it took, from the front, and leaves
  // the others to the caller: the line is full, or the pool is closed.
  [[nodiscard]] virtual size_t Submit(std::span<AttemptPtr> attempts) = 0;

  // Asks one attempt to stop. One that waits ends at once, without running, as stopped; one that
  // runs is told by its stop token, and ends when its handler returns; one that has ended, or is
  // not of this pool, is left alone.
  virtual void Stop(const AttemptPtr& attempt, StopReason reason) = 0;

  // Takes back up to `count` attempts that wait, the last ones first; their End is not called.
  virtual std::vector<AttemptPtr> TakeBack(size_t count) = 0;

  // From now on Submit takes nothing. What waits and what runs goes on.
  virtual void Close() = 0;

  // Closes the pool, ends what waits as released, tells what runs to stop with kShutdown, and waits
  // up to `grace` for it. A pool that can end a handler by force does so then, and abandons none.
  // Others return how many attempts they abandoned: their handlers still run then, on
  // threads of their own, and End is called whenever they return; the pool itself may be destroyed
  // (what it was built with stays alive as long as they need it). Calling it again does nothing
  // more and returns 0.
  virtual size_t Shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace treadle::worker
