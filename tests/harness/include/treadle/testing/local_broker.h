#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/client.h"
#include "treadle/future.h"
#include "treadle/milliseconds.h"

namespace treadle::testing {

struct LocalBrokerOptions {
  LocalBrokerOptions() {}

  // How long a worker's leases live after its last word. Service time: what Advance adds counts as
  // LocalBroker says. From 1 s.
  Milliseconds lease{15'000};
  // Bounds of queues that nobody has created.
  int64_t queue_max_tasks = 1'000'000;
  int64_t queue_max_bytes = int64_t{4} << 30;
  // Of the memory store. Submits are refused when a sixteenth is left.
  int64_t store_bytes_max = int64_t{1} << 30;
};

// What keeps a queue full; see LocalBroker::FillQueue.
class FullQueue {
 public:
  FullQueue(FullQueue&&) = default;
  FullQueue& operator=(FullQueue&&) = delete;
  // Makes room, if Free has not.
  ~FullQueue();
  // The queue is as it was before.
  absl::Status Free();

 private:
  friend class LocalBroker;
  explicit FullQueue(std::function<absl::Status()> free) : free_(std::move(free)) {}
  std::function<absl::Status()> free_;
};

// A broker inside this process: the server's own store in memory, engine and gRPC edge, on a free
// port of 127.0.0.1. It starts in milliseconds, and nothing of it is a fake; what tests need beside
// it, jumps of time and faults, is done at its seams.
//
// Thread-safe, but for Restart, Stop and the destructor, which come from one thread while no other
// call is under way. Waits are bounded by a minute of real time: DEADLINE_EXCEEDED.
//
// Time. The broker's clock runs as clocks do, and Advance and AdvanceUntilDone add to it. What the
// broker measures jumps with it: delays, run-at times, the waits before retries, deadlines, attempt
// timeouts, how long results and request keys are kept. Everything that becomes due on the way
// happens at its own moment and in order.
//
// What a jump does to leases: a worker that is connected counts as heard from all the time, so its
// leases do not expire, however far the jump, as a live worker's heartbeats would keep them. A
// worker that is not (it was killed, or its connection is broken) is silent for as long as the jump
// is: its leases expire when their time is over. So does a lease of the unary Lease call while such
// a worker's lease, or ExpireLease, is waited for; else a jump leaves it as it is. Sessions of
// clients that are not connected can be resumed after any jump.
//
// What does not jump: real clocks. A handler's own sleeps and its SleepFor, the time_left that it
// was given when it began, and timeouts of calls take the time that they take. A handler that runs
// during a jump is told to stop when the jump has taken it beyond its deadline or timeout.
class LocalBroker {
 public:
  // INVALID_ARGUMENT: an option is out of bounds. Other errors: no port, no threads.
  static absl::StatusOr<std::unique_ptr<LocalBroker>> Start(
      LocalBrokerOptions options = LocalBrokerOptions());
  // Stop.
  ~LocalBroker();
  LocalBroker(const LocalBroker&) = delete;
  LocalBroker& operator=(const LocalBroker&) = delete;

  // "127.0.0.1:43210": for ClientOptions and WorkerOptions. Stays over restarts.
  const std::string& address() const;
  // A client of this broker, which lives as long as it.
  Client& client() const;

  // Ends it in order, as SIGTERM does: what was accepted is finished, calls end with UNAVAILABLE.
  void Stop();
  // As after a crash, at the same port and with the same store: what was acknowledged is there;
  // what it had not answered is lost, as its clients find out and mend by themselves; sessions,
  // leases and tokens go on. Returns when the workers that were connected are so again.
  absl::Status Restart();

  // The broker's clock goes forward. Does not wait for handlers that run.
  absl::Status Advance(Milliseconds by);
  // Goes forward from one thing that is due to the next until the task has ended, and waits for
  // handlers in between: it jumps only while no connected worker has a task, so that nothing
  // happens out of order. Every retry, delay and lost lease takes no time. OK however the task
  // ended: the future tells how.
  absl::Status AdvanceUntilDone(const FutureBase& future);
  // Waits until the broker has heard that a worker has begun the task: from then on the attempt
  // counts, and is spent when its lease is lost. (Of a handler that has just begun it may not have
  // heard.) FAILED_PRECONDITION: the task has ended. Not for tasks of the unary Lease call. Errors
  // of the submit are returned.
  absl::Status AwaitStart(const FutureBase& task);
  // What the broker's wall clock shows.
  std::chrono::system_clock::time_point now() const;

  // Faults. Each happens to the next fitting thing, once.

  // Of LoseNextAcknowledgement and DeliverNextTwice: how many have not happened yet. A test that
  // ends with some has not tested what it says.
  int faults_to_come() const;

  // The next submit that is accepted is stored, and its acknowledgement is lost with the connection
  // that it was to be sent on.
  void LoseNextAcknowledgement();
  // The next attempt that ends is reported too late: the handler has returned, but the lease
  // expires before the broker hears of it. So the task is run again, and the first report is stale.
  // It costs an attempt: max_attempts must be 2 or more.
  void DeliverNextTwice();
  // As AwaitStart; then nothing that its worker says arrives until the leases of all
  // that it runs have expired. What it says then is stale, and it is told that it has lost them
  // (StopReason::kLeaseLost). The task is run again, if it has attempts left.
  absl::Status ExpireLease(const FutureBase& task);
  // The queue takes no more until what is returned is gone: submits are refused with
  // RESOURCE_EXHAUSTED, or wait for room, as they asked. The queue is made if there is none.
  absl::StatusOr<FullQueue> FillQueue(std::string_view queue);

 private:
  class Impl;
  explicit LocalBroker(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace treadle::testing
