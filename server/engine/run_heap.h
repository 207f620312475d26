#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "proto/support/assert.h"
#include "server/engine/indexed_heap.h"

namespace treadle::engine {

// As IndexedHeap, for items whose keys mostly come in ascending order, as those of a FIFO queue do:
// these stand in a run, one behind the other, and are added and taken from its front in O(1)
// without a look at any other item. The others are in a heap beside it.
template <typename Key, typename Item, uint32_t Item::*Slot>
class RunHeap {
 public:
  static bool Contains(const Item& item) { return item.*Slot != kNoSlot; }

  bool empty() const { return run_.empty() && heap_.empty(); }
  // REQUIRES: !empty().
  Item& top() const { return RunIsFirst() ? *run_.front().item : heap_.top(); }
  const Key& top_key() const { return RunIsFirst() ? run_.front().key : heap_.top_key(); }

  // Adds the item, or moves it when it is there already.
  void Set(Item& item, const Key& key) {
    Remove(item);
    if (!run_.empty() && !(run_.back().key < key)) return heap_.Set(item, key);
    TREADLE_ASSERT(run_.size() < kPlaces);
    item.*Slot = SlotOf(run_.size());
    run_.push_back(Entry{key, &item});
  }

  // Does nothing when the item is not there.
  void Remove(Item& item) {
    if (!Contains(item)) return;
    if ((item.*Slot & kInRun) == 0) return heap_.Remove(item);
    Entry& entry = run_[PlaceOf(item.*Slot)];
    TREADLE_ASSERT(entry.item == &item);
    entry.item = nullptr;
    item.*Slot = kNoSlot;
    ++holes_;
    for (; !run_.empty() && run_.front().item == nullptr; --holes_) {
      run_.pop_front();
      ++first_;
    }
    if (holes_ > kHolesMin && holes_ > run_.size() / 2) Close();
  }

  // visit(const Item&), `limit` times at most: those that are on top, or soon will be. In order as
  // far as they stand in the run; of the heap, whose order would have to be computed, the upper
  // part.
  template <typename Visit>
  void VisitFirst(size_t limit, Visit visit) const {
    const size_t in_heap = std::min(run_.empty() ? limit : limit / 2, heap_.entries().size());
    for (size_t i = 0; i < in_heap; ++i) visit(std::as_const(*heap_.entries()[i].item));
    const size_t in_run = std::min(limit - in_heap, run_.size());
    for (size_t place = 0; place < in_run; ++place) {
      if (run_[place].item != nullptr) visit(std::as_const(*run_[place].item));
    }
  }

  void CheckInvariants() const {
    heap_.CheckInvariants();
    TREADLE_ASSERT(run_.empty() || run_.front().item != nullptr);
    size_t holes = 0;
    for (size_t place = 0; place < run_.size(); ++place) {
      TREADLE_ASSERT(place == 0 || run_[place - 1].key < run_[place].key);
      const Item* const item = run_[place].item;
      if (item == nullptr) {
        ++holes;
      } else {
        TREADLE_ASSERT(item->*Slot == SlotOf(place));
      }
    }
    TREADLE_ASSERT(holes == holes_);
  }

 private:
  struct Entry {
    Key key;
    Item* item;  // null: a hole, removed from between others
  };

  // A slot in the run: its number among all that were ever added, so that those which stay are not
  // renumbered when the front goes. It wraps, far beyond any run's length.
  static constexpr uint32_t kInRun = uint32_t{1} << 31;
  static constexpr uint32_t kPlaces = uint32_t{1} << 30;
  static constexpr size_t kHolesMin = 64;

  uint32_t SlotOf(size_t place) const {
    return kInRun | ((first_ + static_cast<uint32_t>(place)) & (kPlaces - 1));
  }
  size_t PlaceOf(uint32_t slot) const { return (slot - first_) & (kPlaces - 1); }

  bool RunIsFirst() const {
    return heap_.empty() || (!run_.empty() && run_.front().key < heap_.top_key());
  }

  // Closes the holes.
  void Close() {
    std::deque<Entry> whole;
    for (const Entry& entry : run_) {
      if (entry.item == nullptr) continue;
      entry.item->*Slot = SlotOf(whole.size());
      whole.push_back(entry);
    }
    run_ = std::move(whole);
    holes_ = 0;
  }

  std::deque<Entry> run_;  // ascending; never a hole in front
  uint32_t first_ = 0;     // the number of run_.front()
  size_t holes_ = 0;
  IndexedHeap<Key, Item, Slot> heap_;
};

}  // namespace treadle::engine
