#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "proto/support/assert.h"
#include "server/engine/indexed_heap.h"

namespace treadle::engine {

// Items in the ascending order of their keys, one behind the other: added behind, and removed from
// anywhere, in O(1). What is removed from between others leaves a hole. When half are holes they
// are closed, a few entries with each removal, so that no call moves millions of them. (A hole that
// comes to the front is gone.) `Item::*Slot` belongs to the list; kNoSlot means "not in it".
template <typename Key, typename Item, uint32_t Item::*Slot>
class AscendingList {
 public:
  // A slot's highest bit: for whoever keeps other slots in the same place.
  static constexpr uint32_t kInList = uint32_t{1} << 31;

  struct Entry {
    Key key;
    Item* item;  // null: a hole
  };

  // No items. (A list is never all holes.)
  bool empty() const { return entries_.empty(); }
  // How many items there are.
  size_t size() const { return entries_.size() - holes_; }
  // REQUIRES: !empty().
  Item& front() const { return *entries_.front().item; }
  const Key& front_key() const { return entries_.front().key; }
  // No other is above it, nor above those of the holes. REQUIRES: !empty().
  const Key& back_key() const { return back_key_; }

  // REQUIRES: the key is above the last one's.
  void Add(Item& item, const Key& key) {
    TREADLE_ASSERT(entries_.size() < kPlaces);
    item.*Slot = SlotOf(entries_.size());
    entries_.push_back(Entry{key, &item});
    back_key_ = key;
  }

  // REQUIRES: it is there.
  void Remove(Item& item) {
    Entry& entry = entries_[PlaceOf(item.*Slot)];
    TREADLE_ASSERT(entry.item == &item);
    entry.item = nullptr;
    item.*Slot = kNoSlot;
    ++holes_;
    for (; !entries_.empty() && entries_.front().item == nullptr; --holes_) {
      entries_.pop_front();
      ++first_;
      gap_begin_ -= gap_begin_ > 0 ? 1 : 0;
      gap_end_ -= gap_end_ > 0 ? 1 : 0;
    }
    if (!closing_) {
      if (holes_ <= kHolesMin || holes_ <= entries_.size() / 2) return;
      closing_ = true;
      gap_begin_ = gap_end_ = 0;
    }
    for (size_t steps = kSteps; closing_ && steps > 0; --steps) Close();
  }

  // see(const Entry&), in order, until it returns false; holes among them, with keys that are in
  // order, too. VisitAfter begins behind this key.
  template <typename See>
  void Visit(See see) const {
    VisitFrom(0, see);
  }
  template <typename See>
  void VisitAfter(const Key& key, See see) const {
    const auto is_above = [](const Key& than, const Entry& entry) { return than < entry.key; };
    const auto begin = entries_.begin();
    const auto first = std::upper_bound(begin, At(gap_begin_), key, is_above);
    if (first != At(gap_begin_)) return VisitFrom(static_cast<size_t>(first - begin), see);
    const auto behind = std::upper_bound(At(gap_end_), entries_.end(), key, is_above);
    VisitFrom(static_cast<size_t>(behind - begin), see);
  }

  void CheckInvariants() const {
    TREADLE_ASSERT(entries_.empty() || entries_.front().item != nullptr);
    TREADLE_ASSERT(gap_begin_ <= gap_end_ && gap_end_ <= entries_.size());
    size_t holes = 0;
    const Entry* before = nullptr;
    for (size_t place = 0; place < entries_.size(); ++place) {
      const Entry& entry = entries_[place];
      if (entry.item == nullptr) ++holes;
      TREADLE_ASSERT(entry.item == nullptr || entry.item->*Slot == SlotOf(place));
      if (place >= gap_begin_ && place < gap_end_) {
        TREADLE_ASSERT(entry.item == nullptr);
        continue;
      }
      TREADLE_ASSERT(before == nullptr || before->key < entry.key);
      before = &entry;
    }
    TREADLE_ASSERT(holes == holes_);
    TREADLE_ASSERT(before == nullptr || !(back_key_ < before->key));
  }

 private:
  // Slots are numbers among all that were ever added, so that those which stay are not renumbered
  // when the front goes. They wrap, far beyond any list's length.
  static constexpr uint32_t kPlaces = uint32_t{1} << 30;
  static constexpr size_t kHolesMin = 64;
  static constexpr size_t kSteps = 8;

  uint32_t SlotOf(size_t place) const {
    return kInList | ((first_ + static_cast<uint32_t>(place)) & (kPlaces - 1));
  }
  size_t PlaceOf(uint32_t slot) const { return (slot - first_) & (kPlaces - 1); }
  auto At(size_t place) const { return entries_.begin() + static_cast<ptrdiff_t>(place); }

  template <typename See>
  void VisitFrom(size_t place, See& see) const {
    for (; place < gap_begin_; ++place) {
      if (!see(entries_[place])) return;
    }
    for (place = std::max(place, gap_end_); place < entries_.size(); ++place) {
      if (!see(entries_[place])) return;
    }
  }

  // One step: the next item moves to the other side of the gap. A gap that is behind all items goes
  // away, one place at a time, too.
  void Close() {
    if (gap_end_ < entries_.size()) {
      Entry& next = entries_[gap_end_++];
      if (next.item == nullptr) return;
      Entry& to = entries_[gap_begin_];
      if (&to != &next) {
        to = next;
        next.item = nullptr;
        to.item->*Slot = SlotOf(gap_begin_);
      }
      ++gap_begin_;
    } else if (gap_begin_ < entries_.size()) {
      entries_.pop_back();
      --gap_end_;
      --holes_;
    } else {
      closing_ = false;
      gap_begin_ = gap_end_ = 0;
      if (!entries_.empty()) back_key_ = entries_.back().key;
    }
  }

  std::deque<Entry> entries_;  // never a hole in front
  Key back_key_{};
  uint32_t first_ = 0;  // the number of entries_.front()
  size_t holes_ = 0;
  // While they are closed: what is before the gap has been looked at, and in it is nothing.
  bool closing_ = false;
  size_t gap_begin_ = 0;
  size_t gap_end_ = 0;
};

}  // namespace treadle::engine
