#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "server/broker/delivery.h"
#include "server/rpc/call.h"
#include "server/rpc/calls.h"

namespace treadle::rpc {

// Brings deliveries to their calls on a thread of its own: the broker's thread only appends to a
// list. All that has gathered while the thread was busy is delivered before any call sends, so that
// messages grow by themselves under load. What waits for the thread has a bound, beyond which the
// broker takes from workers only.
class CallOutbox final : public broker::Outbox {
 public:
  // What to do with tasks that were leased to a call which is over.
  using HandBack = absl::AnyInvocable<void(const broker::Leased&)>;

  explicit CallOutbox(Calls& calls);
  ~CallOutbox() override;

  // Before the first Release.
  void SetHandBack(HandBack hand_back) { hand_back_ = std::move(hand_back); }
  // Called when it was full, and is not any more. Before the first Release.
  void OnRoom(absl::AnyInvocable<void()> on_room) { on_room_ = std::move(on_room); }

  // Any thread; in the order of the calls.
  void Release(std::vector<broker::Delivery> deliveries) override;
  // Has the outbox's thread call it, after all that was released before. Any thread.
  void Post(broker::Answer call);
  bool full() const override { return IsFull(waiting_bytes_); }
  // Returns when all that was released before has been delivered and sent.
  void Drain();

 private:
  // Some turns' reads of what was asked for.
  static constexpr int64_t kWaitingBytesMax = int64_t{32} << 20;
  static bool IsFull(int64_t waiting_bytes) { return waiting_bytes > kWaitingBytesMax; }

  void Run();
  void Deliver(broker::Delivery& delivery);
  void FlushTouched();

  Calls& calls_;
  HandBack hand_back_;
  absl::AnyInvocable<void()> on_room_ = [] {};
  std::atomic<int64_t> waiting_bytes_{0};  // also of those that are being delivered

  std::mutex mutex_;
  std::condition_variable news_;
  std::condition_variable idle_;
  std::vector<std::vector<broker::Delivery>> released_;
  bool busy_ = false;
  bool stopping_ = false;

  // The thread's own.
  std::shared_ptr<Call> current_;  // the call of the last delivery
  std::vector<std::shared_ptr<Call>> touched_;
  std::thread thread_;
};

}  // namespace treadle::rpc
