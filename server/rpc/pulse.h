#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "proto/support/clock.h"
#include "server/rpc/calls.h"

namespace treadle::rpc {

// The edge's timer thread: makes every stream's Beat, and calls back what asked for it. Nothing on
// it may block.
class Pulse {
 public:
  static constexpr int64_t kBeatMs = 100;

  Pulse(Calls& calls, const Clock& clock);
  ~Pulse();

  // Once, at about this time from now; not after the destructor has begun.
  void After(int64_t delay_ms, absl::AnyInvocable<void()> callback);

 private:
  struct Timer {
    int64_t at_ms;
    // Timers are not moved out of the queue's top by its own interface.
    mutable absl::AnyInvocable<void()> callback;
    bool operator<(const Timer& other) const { return at_ms > other.at_ms; }
  };

  void Run();

  Calls& calls_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::priority_queue<Timer> timers_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace treadle::rpc
