#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "treadle/client.h"
#include "treadle/codec.h"
#include "treadle/internal/item_queue.h"
#include "treadle/queue_options.h"
#include "treadle/timeout.h"

// Python's queue module for many processes: durable queues of values, with any number of producers
// and consumers anywhere.
//
//   absl::StatusOr<treadle::Queue<std::string>> queue =
//       treadle::Queue<std::string>::Open(client, "lines", treadle::QueueOptions(100));
//   queue->Put("hello");                                  // one process
//   absl::StatusOr<std::string> line = queue->Get();      // another
//   queue->TaskDone();
//
// An item that was got belongs to its consumer until TaskDone, as long as the consumer lives: when
// it dies, or is cut off for longer than the lease, or destroys the queue object, the item goes
// back to its place and someone else gets it. So a consumer that never calls TaskDone should ask
// for QueueOptions::done_at_get, or use SimpleQueue. An item may be got twice when its consumer was
// cut off; TaskDone is ABORTED for the one who was late.
//
// The queue is one of the broker's: its name is shared with executors and workers, which should not
// use it. Items are tasks of type "treadle.item".

namespace treadle {

// An item that was taken from a queue: who has it says when it is done. Without that it goes back
// to its place at the end of its scope, for someone else. Movable; one thread at a time. The client
// outlives it.
template <typename T>
class [[nodiscard]] QueueItem {
 public:
  QueueItem(T value, internal::ItemQueue::Hold hold)
      : value_(std::move(value)), hold_(std::move(hold)) {}

  T& operator*() { return value_; }
  const T& operator*() const { return value_; }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }

  // FAILED_PRECONDITION: it was done, or given back, before. ABORTED: its lease was lost, and
  // someone else has the item, or will. (With QueueOptions::done_at_get it is done when it is got.)
  absl::Status Done() { return hold_.Done(); }
  // Gives it back at once: its place is the old one.
  void GiveBack() { hold_.GiveBack(); }

 private:
  T value_;
  internal::ItemQueue::Hold hold_;
};

// What the three kinds share. A handle: any number of objects, in any process, may stand for one
// queue. Thread-safe. The client outlives it.
//
// All methods ask the broker. Besides their own errors they end with UNAVAILABLE when it cannot be
// reached in time, and with CANCELLED when the client is shut down meanwhile (Put: as a submit).
template <typename T, internal::Discipline kDiscipline>
class BasicQueue {
 public:
  // Opens the queue, making it when it is not there. ALREADY_EXISTS: it is there with another
  // maxsize, or is of another kind.
  static absl::StatusOr<BasicQueue> Open(Client& client, std::string_view name,
                                         QueueOptions options = QueueOptions()) {
    absl::StatusOr<std::unique_ptr<internal::ItemQueue>> items =
        internal::ItemQueue::Open(client, name, kDiscipline, std::move(options));
    if (!items.ok()) return items.status();
    return BasicQueue(*std::move(items));
  }

  // Puts an item. In a full queue it waits for room, behind all who waited before, wherever they
  // are; without `block` it does not, nor longer than `timeout`: Full. ShutDown: the queue takes no
  // more. OK: the item is there at QueueOptions::durability. UNAVAILABLE: the broker did not answer
  // within ten seconds of the timeout, and the item is not there, nor will be. ABORTED: it may be:
  // it was sent, and is taken back if it still arrives, unless a consumer was faster.
  absl::Status Put(const T& item, bool block = true, Timeout timeout = kForever) {
    return items_->Put(Codec<T>::Encode(item), 0, block, timeout);
  }
  absl::Status PutNowait(const T& item) { return Put(item, false); }

  // Gets the next item, waiting for it: without `block` it does not, nor longer than `timeout`:
  // Empty. ShutDown: it is empty and takes no more, which a waiting Get notices within a second.
  // INVALID_ARGUMENT: the item is no T; it counts as got all the same.
  absl::StatusOr<T> Get(bool block = true, Timeout timeout = kForever) {
    absl::StatusOr<internal::ItemQueue::Item> item = items_->Get(block, timeout);
    if (!item.ok()) return item.status();
    return Codec<T>::Decode(item->payload.bytes, item->payload.content_type);
  }
  absl::StatusOr<T> GetNowait() { return Get(false); }

  // As Get; TaskDone is not about this item, which knows itself:
  //
  //   absl::StatusOr<QueueItem<Job>> job = queue.Take();
  //   if (job.ok() && Run(**job)) status = job->Done();
  //
  // INVALID_ARGUMENT: the item is no T, and is as one that was got: TaskDone removes it.
  absl::StatusOr<QueueItem<T>> Take(bool block = true, Timeout timeout = kForever) {
    return TakeAs<T>(block, timeout, [](T value, int32_t) { return value; });
  }

  // The item that this thread got first, of those not done, is done; when this thread has none, the
  // one that any thread got first from this object. FAILED_PRECONDITION: there is none. ABORTED:
  // its lease was lost, and someone else has it, or will.
  absl::Status TaskDone() { return items_->TaskDone(); }

  // Waits until every item that was put is done, whoever has it. Asks the broker again and again,
  // at growing intervals of up to a quarter of a second. DEADLINE_EXCEEDED: the timeout passed
  // first.
  absl::Status Join(Timeout timeout = kForever) { return items_->Join(timeout); }

  // How many items wait; others may change that at once.
  absl::StatusOr<int64_t> Size() { return items_->Size(); }
  absl::StatusOr<bool> Empty() {
    absl::StatusOr<int64_t> size = items_->Size();
    if (!size.ok()) return size.status();
    return *size == 0;
  }
  absl::StatusOr<bool> Full() { return items_->Full(); }

  // For all who use the queue, now and later: it takes no more items, and who waits to put one is
  // told so. What is in it can still be got; `immediate` removes it, so that Join waits only for
  // what is being worked on. The broker remembers: delete the queue (Client::DeleteQueue) to use
  // its name anew.
  absl::Status Shutdown(bool immediate = false) { return items_->Shutdown(immediate); }

  const std::string& name() const { return items_->name(); }

 protected:
  explicit BasicQueue(std::unique_ptr<internal::ItemQueue> items) : items_(std::move(items)) {}

  // Take, with what `make(value, priority)` gives in the item.
  template <typename Made, typename Make>
  absl::StatusOr<QueueItem<Made>> TakeAs(bool block, Timeout timeout, Make make) {
    absl::StatusOr<internal::ItemQueue::Taken> taken = items_->Take(block, timeout);
    if (!taken.ok()) return taken.status();
    const Payload& payload = taken->item.payload;
    absl::StatusOr<T> value = Codec<T>::Decode(payload.bytes, payload.content_type);
    if (value.ok()) {
      return QueueItem<Made>(make(*std::move(value), taken->item.priority), std::move(taken->hold));
    }
    taken->hold.LeaveToTaskDone();
    return value.status();
  }

  std::unique_ptr<internal::ItemQueue> items_;
};

// First in, first out, in the order in which the broker took the items. An item that comes back
// from a lost consumer has its old place.
template <typename T>
using Queue = BasicQueue<T, internal::Discipline::kFifo>;

// Last in, first out.
template <typename T>
using LifoQueue = BasicQueue<T, internal::Discipline::kLifo>;

// The least number first, and first in, first out among equals; Python compares whole items.
// Numbers are above -2^31. (The broker has the highest priority first: a task's priority is the
// negated number.)
template <typename T>
class PriorityQueue : private BasicQueue<T, internal::Discipline::kPriority> {
  using Base = BasicQueue<T, internal::Discipline::kPriority>;

 public:
  using Item = std::pair<int32_t, T>;

  static absl::StatusOr<PriorityQueue> Open(Client& client, std::string_view name,
                                            QueueOptions options = QueueOptions()) {
    absl::StatusOr<Base> base = Base::Open(client, name, std::move(options));
    if (!base.ok()) return base.status();
    return PriorityQueue(*std::move(base));
  }

  absl::Status Put(const Item& item, bool block = true, Timeout timeout = kForever) {
    if (item.first == std::numeric_limits<int32_t>::min()) {
      return absl::InvalidArgumentError("the item's number must be above -2147483648");
    }
    return this->items_->Put(Codec<T>::Encode(item.second), -item.first, block, timeout);
  }
  absl::Status PutNowait(const Item& item) { return Put(item, false); }

  absl::StatusOr<Item> Get(bool block = true, Timeout timeout = kForever) {
    absl::StatusOr<internal::ItemQueue::Item> item = this->items_->Get(block, timeout);
    if (!item.ok()) return item.status();
    absl::StatusOr<T> value = Codec<T>::Decode(item->payload.bytes, item->payload.content_type);
    if (!value.ok()) return value.status();
    return Item(-item->priority, *std::move(value));
  }
  absl::StatusOr<Item> GetNowait() { return Get(false); }

  absl::StatusOr<QueueItem<Item>> Take(bool block = true, Timeout timeout = kForever) {
    return this->template TakeAs<Item>(block, timeout, [](T value, int32_t priority) {
      return Item(-priority, std::move(value));
    });
  }

  using Base::Empty;
  using Base::Full;
  using Base::Join;
  using Base::name;
  using Base::Shutdown;
  using Base::Size;
  using Base::TaskDone;

 private:
  explicit PriorityQueue(Base base) : Base(std::move(base)) {}
};

// An unbounded FIFO queue without TaskDone and Join: an item is done as soon as it is got.
template <typename T>
class SimpleQueue : private Queue<T> {
 public:
  static absl::StatusOr<SimpleQueue> Open(Client& client, std::string_view name) {
    QueueOptions options;
    options.done_at_get = true;
    absl::StatusOr<Queue<T>> queue = Queue<T>::Open(client, name, std::move(options));
    if (!queue.ok()) return queue.status();
    return SimpleQueue(*std::move(queue));
  }

  using Queue<T>::Empty;
  using Queue<T>::Get;
  using Queue<T>::GetNowait;
  using Queue<T>::name;
  using Queue<T>::Put;
  using Queue<T>::PutNowait;
  using Queue<T>::Size;

 private:
  explicit SimpleQueue(Queue<T> queue) : Queue<T>(std::move(queue)) {}
};

}  // namespace treadle
