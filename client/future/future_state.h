#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/future/encoded_task.h"
#include "client/future/output_calls.h"

#include "proto/support/task_id.h"
#include "treadle/future.h"
#include "treadle/timeout.h"

// What stands behind a Future. Internal to the client library.

namespace treadle::client {

class FutureState;

// Where a thread waits for futures. Ends arrive from the session's thread, many at a time; the
// waiter is woken once for all of them.
class WaitPoint {
 public:
  // True: the waiter sleeps and nobody is about to wake it: the caller calls Wake, later.
  bool Arrive(size_t index);
  void Wake();
  // The next arrival; none when `deadline` passes first.
  std::optional<size_t> Next(std::chrono::steady_clock::time_point deadline);

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  // Protected by mutex_.
  std::deque<size_t> arrivals_;
  bool waiting_ = false;
  bool wake_promised_ = false;
};

// What a batch of ends sets off, to be done when no lock is held.
struct Wakeups {
  std::vector<std::shared_ptr<WaitPoint>> points;
  std::vector<absl::AnyInvocable<void()>> callbacks;

  // Wakes the waiters. The callbacks are left to the caller.
  void WakePoints();
};

// Hangs in the list of a future that is not done, and is told once, under the future's lock.
class Listener {
 public:
  enum class Until { kAccepted, kDone };

  explicit Listener(Until until) : until_(until) {}
  virtual ~Listener() = default;
  // Taken off the list. May delete itself.
  virtual void OnReached(Wakeups& wakeups) = 0;

 private:
  friend FutureState;
  const Until until_;
  // Protected by the future's lock.
  bool linked_ = false;
  Listener* previous_ = nullptr;
  Listener* next_ = nullptr;
};

// Wakes a WaitPoint with `index` when a future is done, or accepted.
class PointListener final : public Listener {
 public:
  PointListener(FutureStateRef state, Until until, std::shared_ptr<WaitPoint> point,
                size_t index = 0);
  // Waits until the future's lock is free: whoever tells it may still be reading it then, although
  // the point has woken.
  ~PointListener() override;

  // False: what it listens for has been reached already.
  bool Start();
  void OnReached(Wakeups& wakeups) override;

 private:
  const FutureStateRef state_;
  const std::shared_ptr<WaitPoint> point_;
  const size_t index_;
};

// Asks the broker about tasks, and knows what the broker has told of itself. Outlives the client.
class TaskQuestions {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~TaskQuestions() = default;
  // A worker runs it now.
  virtual absl::StatusOr<bool> IsRunning(const std::string& task_id, Timeout timeout) = 0;
  // For one reader of a task's output.
  virtual std::unique_ptr<OutputCalls> NewOutputCalls() = 0;

  // Since when the broker's disk has not answered; absent: it does. Any thread.
  virtual void SetDiskHung(std::optional<TimePoint> since) = 0;
  // "the broker's disk has not answered for 12 s"; empty while it answers.
  virtual std::string DiskHungText() const = 0;
};

// The client that a pending future belongs to.
class FutureHome {
 public:
  // Called with the future's lock held.
  virtual void RequestCancel(FutureStateRef state) = 0;
  // Called with the future's lock held: somebody waits for the broker's answer to the submit.
  virtual void RequestAnswer() = 0;

 protected:
  ~FutureHome() = default;
};

// What the session must know of a submit beside the task.
struct SubmitTraits {
  SubmitTraits() = default;

  bool until_accepted = false;  // nobody waits for the outcome: the future ends when it is accepted
  uint32_t group = 0;           // which executor's it is; 0: none's
};

class FutureSlab;

// One task, as its client knows it. Counted.
//
// Two threads meet here. The session's thread owns the task while it is pending; it writes what it
// learns and then publishes it with one atomic bit, without a lock unless someone has looked
// (kWatched). Users' threads read what is published; whoever wants more (to listen, to cancel)
// takes the lock, sets kWatched, and looks at the bits again.
class FutureState {
 public:
  // How far the submit has come. The session's thread alone.
  enum class Stage : uint8_t {
    kUnsent,    // not in any message yet
    kSent,      // in a message, not answered
    kAccepted,  // its id is known to the broker
    kEnded,
  };

  // `home` outlives the state's being pending. Null, as `questions`: for a state that is made
  // ended.
  explicit FutureState(FutureHome* home, std::shared_ptr<TaskQuestions> questions = nullptr)
      : home_(home), questions_(std::move(questions)) {}
  // So many at once, which share allocations.
  static std::vector<FutureStateRef> Make(size_t count, FutureHome* home,
                                          std::shared_ptr<TaskQuestions> questions);
  FutureState(const FutureState&) = delete;
  FutureState& operator=(const FutureState&) = delete;

  void Retain() { count_.fetch_add(1, std::memory_order_relaxed); }
  void Release() {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) Delete();
  }
  // Whoever has a reference asks whether it is the only one: then nobody else can get one.
  bool IsAlone() const { return count_.load(std::memory_order_acquire) == 1; }

  // Users' threads.
  bool IsAccepted() const { return (bits_.load(std::memory_order_acquire) & kAcceptedBit) != 0; }
  // Its answer may come with the outcome: that it has not come says little.
  bool MayAnswerWait() const { return (bits_.load(std::memory_order_acquire) & kWaitsBit) != 0; }
  bool IsDone() const { return (bits_.load(std::memory_order_acquire) & kDoneBit) != 0; }
  // False: what the listener waits for has been reached already, and it is not in the list.
  bool Listen(Listener& listener);
  // Afterwards the listener is not called, and not in the list.
  void Unlisten(Listener& listener);
  // False: done already.
  bool Cancel();
  // Null: it never became a task.
  const std::shared_ptr<TaskQuestions>& Questions() const;

  // The session's thread. False: somebody waits until it is accepted.
  bool LetAnswerWait();
  // The same. REQUIRES: not published yet.
  void PublishAccepted(Wakeups& wakeups);
  void PublishDone(Wakeups& wakeups);

  // Published by PublishAccepted.
  TaskId id;
  Durability durability = Durability::kMemory;
  bool existing = false;
  bool no_worker = false;

  // Published by PublishDone. An error before that is what a cancelled task shall end with.
  absl::Status status;
  std::string result;
  std::shared_ptr<const std::string> content_type;  // shared by many; null: empty

  // The session's thread, and before that whoever makes the state.
  SubmitTraits traits;
  Stage stage = Stage::kUnsent;
  bool cancel_wanted = false;                   // cancel it as soon as it is accepted
  bool await_by_id = false;                     // its outcome comes only when it is asked for
  std::chrono::steady_clock::time_point since;  // when it was asked for
  uint64_t sequence = 0;                        // within the session; 0: none yet
  EncodedTask task;                             // until the submit is answered
  FutureStateRef next_of_same_id;               // another future for the same task

 private:
  static constexpr uint32_t kAcceptedBit = 1;
  static constexpr uint32_t kDoneBit = 2;
  static constexpr uint32_t kWatchedBit = 4;
  static constexpr uint32_t kWaitsBit = 8;

  friend class FutureSlab;

  ~FutureState() = default;
  void Delete();
  void Publish(uint32_t bit, Wakeups& wakeups);
  void Link(Listener& listener);
  void Unlink(Listener& listener);

  std::atomic<uint32_t> count_{1};
  std::atomic<uint32_t> bits_{0};
  FutureHome* const home_;
  const std::shared_ptr<TaskQuestions> questions_;  // null in a slab, which has them for all
  FutureSlab* slab_ = nullptr;  // that it is in; null: it has an allocation of its own
  std::mutex mutex_;
  // The first, in the order in which they came; its `previous_` is the last. Protected by mutex_.
  Listener* listeners_ = nullptr;
};

}  // namespace treadle::client
