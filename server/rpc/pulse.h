#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "proto/support/clock.h"
#include "proto/wire/grpc_waker.h"
#include "server/rpc/calls.h"

namespace treadle::rpc {

// The edge's timer thread: makes the open calls' Beat, calls back what asked for it, and keeps gRPC
// awake. Nothing on it may block.
class Pulse {
 public:
  Pulse(Calls& calls, const Clock& clock);
  ~Pulse();

  // When it goes off, and its number.
  using Timer = std::pair<int64_t, uint64_t>;
  // Once, at about this time from now; not after the destructor has begun.
  Timer After(int64_t delay_ms, absl::AnyInvocable<void()> callback);
  // Once, at the next beat: for what there may be much of.
  void AtBeat(absl::AnyInvocable<void()> callback);
  // What a timer holds goes with it. It may be going off at this moment, or be over.
  void Cancel(const Timer& timer);
  // Those that have neither gone off nor been cancelled.
  size_t timers() const;

 private:
  void Run();

  Calls& calls_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::map<Timer, absl::AnyInvocable<void()>> timers_;
  std::vector<absl::AnyInvocable<void()>> at_beat_;
  uint64_t last_number_ = 0;
  bool stopping_ = false;
  wire::GrpcWaker waker_;
  std::thread thread_;
};

}  // namespace treadle::rpc
