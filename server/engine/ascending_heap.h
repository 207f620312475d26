#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "server/engine/ascending_list.h"
#include "server/engine/indexed_heap.h"

namespace treadle::engine {

// As IndexedHeap, for items whose keys mostly come in ascending order, as those of a FIFO queue do:
// these stand in a list, and are added and taken from its front in O(1) without a look at any other
// item. The others are in a heap beside it.
template <typename Key, typename Item, uint32_t Item::*Slot>
class AscendingHeap {
 public:
  static bool Contains(const Item& item) { return item.*Slot != kNoSlot; }

  bool empty() const { return list_.empty() && heap_.empty(); }
  // REQUIRES: !empty().
  Item& top() const { return ListIsFirst() ? list_.front() : heap_.top(); }
  const Key& top_key() const { return ListIsFirst() ? list_.front_key() : heap_.top_key(); }

  // Adds the item, or moves it when it is there already.
  void Set(Item& item, const Key& key) {
    Remove(item);
    if (list_.empty() || list_.back_key() < key) return list_.Add(item, key);
    heap_.Set(item, key);
  }

  // Does nothing when the item is not there.
  void Remove(Item& item) {
    if (!Contains(item)) return;
    if ((item.*Slot & InOrder::kInList) != 0) return list_.Remove(item);
    heap_.Remove(item);
  }

  // visit(const Item&), `limit` times at most: those that are on top, or soon will be. In order as
  // far as they stand in the list; of the heap, whose order would have to be computed, the upper
  // part.
  template <typename Visit>
  void VisitFirst(size_t limit, Visit visit) const {
    const size_t in_heap = std::min(list_.empty() ? limit : limit / 2, heap_.size());
    for (size_t i = 0; i < in_heap; ++i) visit(std::as_const(*heap_[i].item));
    size_t left = limit - in_heap;
    list_.Visit([&](const auto& entry) {
      if (left == 0) return false;
      --left;
      if (entry.item != nullptr) visit(std::as_const(*entry.item));
      return true;
    });
  }

  // visit(const Item&), those with keys below this one, in no particular order, until it returns
  // false.
  template <typename Visit>
  void VisitBelow(const Key& key, Visit visit) const {
    bool goes_on = true;
    list_.Visit([&](const auto& entry) {
      if (!(entry.key < key)) return false;
      goes_on = entry.item == nullptr || visit(std::as_const(*entry.item));
      return goes_on;
    });
    if (!goes_on) return;
    heap_.VisitBelow(key, [&](const auto& entry) { return visit(std::as_const(*entry.item)); });
  }

  void CheckInvariants() const {
    heap_.CheckInvariants();
    list_.CheckInvariants();
  }

 private:
  using InOrder = AscendingList<Key, Item, Slot>;

  bool ListIsFirst() const {
    return heap_.empty() || (!list_.empty() && list_.front_key() < heap_.top_key());
  }

  InOrder list_;
  IndexedHeap<Key, Item, Slot> heap_;
};

}  // namespace treadle::engine
