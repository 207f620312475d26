#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "server/engine/indexed_heap.h"
#include "server/engine/run.h"

namespace treadle::engine {

// As IndexedHeap, for items whose keys mostly come in ascending order, as those of a FIFO queue do:
// these stand in a run, and are added and taken from its front in O(1) without a look at any other
// item. The others are in a heap beside it.
template <typename Key, typename Item, uint32_t Item::*Slot>
class RunHeap {
 public:
  static bool Contains(const Item& item) { return item.*Slot != kNoSlot; }

  bool empty() const { return run_.empty() && heap_.empty(); }
  // REQUIRES: !empty().
  Item& top() const { return RunIsFirst() ? run_.front() : heap_.top(); }
  const Key& top_key() const { return RunIsFirst() ? run_.front_key() : heap_.top_key(); }

  // Adds the item, or moves it when it is there already.
  void Set(Item& item, const Key& key) {
    Remove(item);
    if (run_.empty() || run_.back_key() < key) return run_.Add(item, key);
    heap_.Set(item, key);
  }

  // Does nothing when the item is not there.
  void Remove(Item& item) {
    if (!Contains(item)) return;
    if ((item.*Slot & InOrder::kInRun) != 0) return run_.Remove(item);
    heap_.Remove(item);
  }

  // visit(const Item&), `limit` times at most: those that are on top, or soon will be. In order as
  // far as they stand in the run; of the heap, whose order would have to be computed, the upper
  // part.
  template <typename Visit>
  void VisitFirst(size_t limit, Visit visit) const {
    const size_t in_heap = std::min(run_.empty() ? limit : limit / 2, heap_.size());
    for (size_t i = 0; i < in_heap; ++i) visit(std::as_const(*heap_[i].item));
    size_t left = limit - in_heap;
    run_.Visit([&](const auto& entry) {
      if (left == 0) return false;
      --left;
      if (entry.item != nullptr) visit(std::as_const(*entry.item));
      return true;
    });
  }

  void CheckInvariants() const {
    heap_.CheckInvariants();
    run_.CheckInvariants();
  }

 private:
  using InOrder = Run<Key, Item, Slot>;

  bool RunIsFirst() const {
    return heap_.empty() || (!run_.empty() && run_.front_key() < heap_.top_key());
  }

  InOrder run_;
  IndexedHeap<Key, Item, Slot> heap_;
};

}  // namespace treadle::engine
