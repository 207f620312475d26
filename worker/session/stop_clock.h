#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/status/status.h"

#include "worker/pool/attempt.h"
#include "worker/pool/pool.h"

namespace treadle::worker {

// Tells attempts to stop: when their time is over, or because somebody says so. On a thread of its
// own, since what a handler has hung on its stop token runs there, and must not hold up heartbeats.
// Thread-safe.
class StopClock {
 public:
  StopClock() = default;
  // As Close.
  ~StopClock();

  // Starts the thread. RESOURCE_EXHAUSTED: the system has no more.
  absl::Status Start();

  // Stops `attempt` when its ends_by passes. Nothing for an attempt that nothing bounds. `pool`
  // must live until Forget, or Close.
  void Watch(Pool& pool, const AttemptPtr& attempt);
  // The attempt is over.
  void Forget(const Attempt& attempt);
  // Stops `attempt` as soon as the thread comes to it.
  void StopNow(Pool& pool, AttemptPtr attempt, StopReason reason);

  // Ends the thread. Nobody is told to stop any more.
  void Close();

 private:
  struct Stop {
    Pool* pool;
    AttemptPtr attempt;
    StopReason reason;
  };
  // The address tells apart those that end at the same time.
  using Key = std::pair<std::chrono::steady_clock::time_point, const Attempt*>;

  static Key KeyOf(const Attempt& attempt);
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, Stop> watched_;  // GUARDED_BY(mutex_)
  std::deque<Stop> due_;         // GUARDED_BY(mutex_)
  bool closed_ = false;          // GUARDED_BY(mutex_)
  std::thread thread_;
};

}  // namespace treadle::worker
