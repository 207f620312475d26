#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/client.h"
#include "treadle/codec.h"
#include "treadle/future.h"
#include "treadle/named_error.h"
#include "treadle/queue_options.h"
#include "treadle/timeout.h"

// What stands behind Queue, LifoQueue and PriorityQueue: queue.h has those.

namespace treadle::client {
class ClientLease;
class HeldLeases;
}  // namespace treadle::client

namespace treadle::internal {

struct HeldItems;

// In which order a queue gives its items.
enum class Discipline { kFifo, kLifo, kPriority };

// Makes a queue that holds so many tasks, or finds it there. Whatever else the broker gave it when
// it was made, from bounds of its own that may have changed since, is of no interest.
// ALREADY_EXISTS: it is there with another discipline or max_tasks.
absl::Status OpenBounded(Client& client, const v1::QueueConfig& config);

// Items of one queue, encoded. Thread-safe.
class ItemQueue {
 public:
  struct Item {
    Payload payload;
    int32_t priority = 0;
    uint64_t token = 0;  // of its lease
  };

  // An item that was taken, until it is done or given back. May outlive the ItemQueue, which gives
  // it back at its end. One thread at a time.
  class Hold {
   public:
    Hold() = default;  // of nothing: done
    Hold(Hold&& other) noexcept = default;
    Hold& operator=(Hold&& other) noexcept {
      GiveBack();
      held_ = std::move(other.held_);
      leases_ = other.leases_;
      token_ = other.token_;
      return *this;
    }
    ~Hold() { GiveBack(); }

    // FAILED_PRECONDITION: it was done, or given back, before. ABORTED: its lease was lost.
    absl::Status Done();
    // Without waiting for the answer. Nothing, when it was done or given back before.
    void GiveBack();
    // From now on it is as one that was got: TaskDone is about it.
    void LeaveToTaskDone();

   private:
    friend class ItemQueue;

    std::shared_ptr<HeldItems> held_;  // null: nothing is held
    client::HeldLeases* leases_ = nullptr;
    uint64_t token_ = 0;
  };
  struct Taken {
    Item item;
    Hold hold;
  };

  static absl::StatusOr<std::unique_ptr<ItemQueue>> Open(Client& client, std::string_view name,
                                                         Discipline discipline,
                                                         QueueOptions options);
  // Hands back what was got and is not done.
  ~ItemQueue();

  absl::Status Put(absl::StatusOr<Payload> item, int32_t priority, bool block, Timeout timeout);
  absl::StatusOr<Item> Get(bool block, Timeout timeout);
  absl::StatusOr<Taken> Take(bool block, Timeout timeout);
  // A put and a get that do not block, in two steps each, for coroutines.
  //
  // The future ends when the item is accepted, or refused; PutStatus of its end is what Put
  // returns.
  FutureBase StartPut(absl::StatusOr<Payload> item, int32_t priority, bool block, Timeout timeout);
  absl::Status PutStatus(absl::Status end) const;
  // Asks once, waiting there up to a second, and calls `asked` from one of gRPC's threads, perhaps
  // after this has gone. None: there is nothing yet, so CheckOpen, and ask again. False: the item
  // is not wanted any more, and handed back. Not with QueueOptions::done_at_get.
  using Asked = absl::AnyInvocable<bool(absl::StatusOr<std::optional<Item>>)>;
  void StartGet(Asked asked);
  // ShutDown: empty, and takes no more.
  absl::Status CheckOpen();
  // Hands back an item that was got and is not done, without waiting for the answer.
  void GiveBack(uint64_t token);

  absl::Status TaskDone();
  absl::Status Join(Timeout timeout);
  // DEADLINE_EXCEEDED: not all are done now.
  absl::Status JoinNow() { return Join(kNoWait); }
  absl::StatusOr<int64_t> Size();
  absl::StatusOr<bool> Full();
  absl::Status Shutdown(bool immediate);

  const std::string& name() const { return name_; }

 private:
  using LeaseRef = std::shared_ptr<client::ClientLease>;

  ItemQueue(Client& client, std::string name, QueueOptions options);
  absl::Status TakeBack(const FutureBase& put);
  LeaseRef TakeHeld();
  absl::StatusOr<LeaseRef> Lease(bool block, Timeout timeout);

  Client& client_;
  const std::string name_;
  const QueueOptions options_;
  // What was got or taken, and is not done. Gets that are under way share it.
  const std::shared_ptr<HeldItems> held_;
};

}  // namespace treadle::internal
