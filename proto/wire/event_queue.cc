#include "proto/wire/event_queue.h"

#include <grpc/support/time.h>

namespace treadle::wire {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr int kEventsMax = 16;

// gRPC 1.51 takes a deadline of its monotonic clock only as gpr_timespec.
gpr_timespec DeadlineAt(steady_clock::time_point time) {
  if (time == steady_clock::time_point::max()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  const auto now = steady_clock::now();
  const nanoseconds left = time > now ? time - now : nanoseconds(0);  // time may be the least
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(left.count(), GPR_TIMESPAN));
}

}  // namespace

EventQueue::~EventQueue() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void EventQueue::PrepareToWait() {
  Owner awake = Owner::kAwake;
  owner_.compare_exchange_strong(awake, Owner::kWaits);
}

void EventQueue::Wait(steady_clock::time_point until) {
  gpr_timespec deadline = DeadlineAt(until);
  void* tag = nullptr;
  bool ok = false;
  for (int i = 0; i < kEventsMax; ++i) {
    if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) break;
    deadline = gpr_time_0(GPR_CLOCK_MONOTONIC);
    if (tag == &alarm_) {
      owner_ = Owner::kAwake;
      continue;
    }
    StayAwake();
    static_cast<Event*>(tag)->Happened(ok);
  }
  StayAwake();
}

void EventQueue::StayAwake() {
  Owner waits = Owner::kWaits;
  owner_.compare_exchange_strong(waits, Owner::kAwake);
}

void EventQueue::Wake() {
  Owner waits = Owner::kWaits;
  if (!owner_.compare_exchange_strong(waits, Owner::kWoken)) return;
  alarm_.Set(&queue_, gpr_time_0(GPR_CLOCK_MONOTONIC), &alarm_);
}

}  // namespace treadle::wire
