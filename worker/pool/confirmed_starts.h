#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "worker/pool/pool.h"

namespace treadle::worker {

// Begins those attempts whose Begin has to wait for the broker, on a thread of its own, for pools
// whose own thread must not wait. Few attempts are of that kind: the thread is started for the
// first; while the system has none, attempts do not begin. Thread-safe.
class ConfirmedStarts {
 public:
  // Called on that thread, or by Begin, with each attempt, and whether it has begun.
  using Begun = std::function<void(const AttemptPtr& attempt, bool begun)>;

  ConfirmedStarts(std::shared_ptr<AttemptEvents> events, Begun begun);
  // Waits for the Begin under way.
  ~ConfirmedStarts();

  void Begin(AttemptPtr attempt);

 private:
  bool Started();
  void Run();

  const std::shared_ptr<AttemptEvents> events_;
  const Begun begun_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<AttemptPtr> waiting_;  // GUARDED_BY(mutex_)
  bool closed_ = false;             // GUARDED_BY(mutex_)
  std::thread thread_;              // GUARDED_BY(mutex_) until closed_
};

}  // namespace treadle::worker
