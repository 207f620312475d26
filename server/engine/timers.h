#pragma once

#include <cstdint>
#include <limits>

#include "server/engine/indexed_heap.h"

namespace treadle::engine {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

enum class TimedKind : uint8_t {
  kTask,
  kWorker,
  kPoll,
  kSession,
  kWaiter,
  kLetters,
  kPause,
  kLine,
  kDrain
};

// What can become due in service time. Each has one timer at most, for whatever comes first.
struct Timed {
  explicit Timed(TimedKind timed_kind) : kind(timed_kind) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

  const TimedKind kind;
  uint32_t timer_slot = kNoSlot;
};

// Timers of one clock, earliest first; those of one moment in the order in which they were set.
// `Item::*Slot` belongs to them.
template <typename Item, uint32_t Item::*Slot>
class TimerHeap {
 public:
  void Set(Item& timed, int64_t due_ms) {
    if (due_ms == kNever) return Clear(timed);
    if (heap_.Contains(timed) && heap_.KeyOf(timed).due_ms == due_ms) return;
    heap_.Set(timed, Key{due_ms, ++set_count_});
  }
  void Clear(Item& timed) { heap_.Remove(timed); }

  int64_t NextDue() const { return heap_.empty() ? kNever : heap_.top_key().due_ms; }
  // When this one is due; kNever: no timer.
  int64_t DueOf(const Item& timed) const {
    return heap_.Contains(timed) ? heap_.KeyOf(timed).due_ms : kNever;
  }
  // Takes the first one out. REQUIRES: NextDue() != kNever.
  Item& Pop() { return heap_.Pop(); }

  size_t size() const { return heap_.size(); }
  void CheckInvariants() const { heap_.CheckInvariants(); }

 private:
  struct Key {
    int64_t due_ms;
    uint64_t set;
    bool operator<(const Key& other) const {
      return due_ms != other.due_ms ? due_ms < other.due_ms : set < other.set;
    }
  };

  IndexedHeap<Key, Item, Slot> heap_;
  uint64_t set_count_ = 0;
};

// What becomes due in service time.
using Timers = TimerHeap<Timed, &Timed::timer_slot>;

}  // namespace treadle::engine
