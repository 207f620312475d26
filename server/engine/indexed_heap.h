#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "proto/support/assert.h"
#include "server/engine/long_vector.h"

namespace treadle::engine {

inline constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();

// A heap, smallest key on top, whose elements know their slot (beanstalkd's idea): any element is
// moved or removed in O(log n). Four children to a node, and the keys beside the pointers, so that
// a sift touches few cache lines. `Item::*Slot` belongs to the heap; kNoSlot means "not in it".
template <typename Key, typename Item, uint32_t Item::*Slot>
class IndexedHeap {
 public:
  struct Entry {
    Key key;
    Item* item;
  };

  static bool Contains(const Item& item) { return item.*Slot != kNoSlot; }

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  // REQUIRES: !empty().
  Item& top() const { return *entries_[0].item; }
  const Key& top_key() const { return entries_[0].key; }
  const Key& KeyOf(const Item& item) const { return entries_[item.*Slot].key; }

  // Adds the item, or moves it when it is in the heap already.
  void Set(Item& item, const Key& key) {
    if (Contains(item)) {
      const size_t slot = item.*Slot;
      entries_[slot].key = key;
      if (!SiftUp(slot)) SiftDown(slot);
      return;
    }
    TREADLE_ASSERT(entries_.size() < kNoSlot);
    entries_.push_back(Entry{key, &item});
    item.*Slot = static_cast<uint32_t>(entries_.size() - 1);
    SiftUp(entries_.size() - 1);
  }

  // Does nothing when the item is not in the heap.
  void Remove(Item& item) {
    if (!Contains(item)) return;
    const size_t slot = item.*Slot;
    TREADLE_ASSERT(slot < entries_.size() && entries_[slot].item == &item);
    item.*Slot = kNoSlot;
    const Entry last = entries_.back();
    entries_.pop_back();
    if (slot < entries_.size()) {
      Place(slot, last);
      if (!SiftUp(slot)) SiftDown(slot);
    }
  }

  Item& Pop() {
    Item& item = top();
    Remove(item);
    return item;
  }

  // visit(const Entry&), those with keys below this one, in no particular order, until it returns
  // false. Others cost nothing, but for those right below the ones that are visited.
  template <typename Visit>
  void VisitBelow(const Key& key, Visit visit) const {
    std::vector<size_t> places;
    const auto look = [&](size_t place) {
      if (place < entries_.size() && entries_[place].key < key) places.push_back(place);
    };
    look(0);
    while (!places.empty()) {
      const size_t place = places.back();
      places.pop_back();
      if (!visit(entries_[place])) return;
      for (size_t child = 1; child <= kChildren; ++child) look(kChildren * place + child);
    }
  }

  // All of them, the top first and the others in no particular order. REQUIRES: i < size().
  const Entry& operator[](size_t i) const { return entries_[i]; }

  void CheckInvariants() const {
    for (size_t slot = 0; slot < entries_.size(); ++slot) {
      TREADLE_ASSERT(entries_[slot].item->*Slot == slot);
      TREADLE_ASSERT(slot == 0 || !(entries_[slot].key < entries_[Parent(slot)].key));
    }
  }

 private:
  static constexpr size_t kChildren = 4;
  static size_t Parent(size_t slot) { return (slot - 1) / kChildren; }

  void Place(size_t slot, const Entry& entry) {
    entries_[slot] = entry;
    entry.item->*Slot = static_cast<uint32_t>(slot);
  }

  bool SiftUp(size_t slot) {
    const size_t start = slot;
    const Entry entry = entries_[slot];
    while (slot > 0 && entry.key < entries_[Parent(slot)].key) {
      Place(slot, entries_[Parent(slot)]);
      slot = Parent(slot);
    }
    if (slot == start) return false;
    Place(slot, entry);
    return true;
  }

  void SiftDown(size_t slot) {
    const Entry entry = entries_[slot];
    for (;;) {
      const size_t first = slot * kChildren + 1;
      if (first >= entries_.size()) break;
      const size_t end = first + kChildren < entries_.size() ? first + kChildren : entries_.size();
      size_t least = first;
      for (size_t child = first + 1; child < end; ++child) {
        if (entries_[child].key < entries_[least].key) least = child;
      }
      if (!(entries_[least].key < entry.key)) break;
      Place(slot, entries_[least]);
      slot = least;
    }
    Place(slot, entry);
  }

  LongVector<Entry> entries_;
};

}  // namespace treadle::engine
