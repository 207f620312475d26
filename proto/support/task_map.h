#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "proto/support/task_id.h"

namespace treadle {

// Values by the ids of their tasks. A session numbers its tasks in a row, and they come and end
// mostly in that order: so values lie in pages of consecutive ids, and most look-ups stay on a page
// that was used just before, where a hash table misses the processor's cache each time. A page is
// freed with its last value; a task that is alone on its page costs all of its kPlaces.
//
// T: its default is false in a condition, and stands for no value; every value in the map is true.
// One thread.
template <typename T, size_t kPlaces = 16>
class TaskMap {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  // Null: nothing is there. Valid until the value is removed.
  T* Find(TaskId id) const {
    Page* const page = FindPage(KeyOf(id));
    if (page == nullptr) return nullptr;
    T& place = page->places[PlaceOf(id)];
    return place ? &place : nullptr;
  }

  // REQUIRES: nothing is there.
  T& Insert(TaskId id, T value) {
    Page* page = FindPage(KeyOf(id));
    if (page == nullptr) page = AddPage(KeyOf(id));
    ++page->filled;
    ++size_;
    return page->places[PlaceOf(id)] = std::move(value);
  }

  // The default: nothing was there.
  T Remove(TaskId id) {
    Page* const page = FindPage(KeyOf(id));
    if (page == nullptr || !page->places[PlaceOf(id)]) return T();
    T value = std::exchange(page->places[PlaceOf(id)], T());
    --size_;
    if (--page->filled == 0) RemovePage(KeyOf(id));
    return value;
  }

  // visit(TaskId, T&), in no particular order. It must not change the map.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [key, page] : pages_) {
      for (size_t place = 0; place < kPlaces; ++place) {
        T& value = page->places[place];
        if (value) visit(TaskId{key.session, key.sequence * kPlaces + place}, value);
      }
    }
  }

 private:
  // Pages that were used last. Submits, dispatches and ends are at different places of a session.
  static constexpr size_t kRecent = 16;  // a power of two

  struct Page {
    std::array<T, kPlaces> places{};
    size_t filled = 0;
  };
  struct Recent {
    TaskId key;
    Page* page = nullptr;
  };

  // A page's key: the session, and the number of the page within it.
  static TaskId KeyOf(TaskId id) { return TaskId{id.session, id.sequence / kPlaces}; }
  static size_t PlaceOf(TaskId id) { return id.sequence % kPlaces; }

  Recent& RecentOf(TaskId key) const { return recent_[(key.session + key.sequence) % kRecent]; }

  Page* FindPage(TaskId key) const {
    Recent& recent = RecentOf(key);
    if (recent.page != nullptr && recent.key == key) return recent.page;
    const auto found = pages_.find(key);
    if (found == pages_.end()) return nullptr;
    recent = Recent{key, found->second.get()};
    return recent.page;
  }

  Page* AddPage(TaskId key) {
    Page* const page = (pages_[key] = std::make_unique<Page>()).get();
    RecentOf(key) = Recent{key, page};
    return page;
  }

  void RemovePage(TaskId key) {
    if (Recent& recent = RecentOf(key); recent.key == key) recent = Recent{};
    pages_.erase(key);
  }

  absl::flat_hash_map<TaskId, std::unique_ptr<Page>> pages_;
  mutable std::array<Recent, kRecent> recent_;
  size_t size_ = 0;
};

}  // namespace treadle
