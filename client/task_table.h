#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "client/future_state.h"

#include "proto/support/task_id.h"

namespace treadle {

// The futures of tasks that have an id, by it. Ids of a session are consecutive and end mostly in
// the order in which they began: so they lie in pages, and most look-ups stay on the page of the
// one before instead of missing the cache. One thread.
class TaskTable {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  // Null: nothing is there.
  FutureState* Find(TaskId id) const {
    Page* const page = FindPage(KeyOf(id));
    return page == nullptr ? nullptr : page->places[PlaceOf(id)].get();
  }

  // REQUIRES: nothing is there.
  void Insert(TaskId id, FutureStateRef state) {
    Page* page = FindPage(KeyOf(id));
    if (page == nullptr) page = AddPage(KeyOf(id));
    page->places[PlaceOf(id)] = std::move(state);
    ++page->filled;
    ++size_;
  }

  // Null: nothing was there.
  FutureStateRef Remove(TaskId id) {
    Page* const page = FindPage(KeyOf(id));
    if (page == nullptr || !page->places[PlaceOf(id)]) return FutureStateRef();
    FutureStateRef state = std::move(page->places[PlaceOf(id)]);
    --size_;
    if (--page->filled == 0) RemovePage(KeyOf(id));
    return state;
  }

  // visit(TaskId, FutureState&), in no particular order. It must not change the table.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [key, page] : pages_) {
      for (size_t place = 0; place < kPlaces; ++place) {
        if (!page->places[place]) continue;
        visit(TaskId{key.session, key.sequence * kPlaces + place}, *page->places[place].get());
      }
    }
  }

 private:
  static constexpr size_t kPlaces = 256;
  static constexpr size_t kRecent = 4;  // a power of two

  struct Page {
    std::array<FutureStateRef, kPlaces> places;
    size_t filled = 0;
  };
  struct Recent {
    TaskId key;
    Page* page = nullptr;
  };

  // A page's key: the session, and the number of the page within it.
  static TaskId KeyOf(TaskId id) { return TaskId{id.session, id.sequence / kPlaces}; }
  static size_t PlaceOf(TaskId id) { return id.sequence % kPlaces; }

  Recent& RecentOf(TaskId key) const { return recent_[key.sequence % kRecent]; }

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
    RecentOf(key) = Recent{};
    pages_.erase(key);
  }

  absl::flat_hash_map<TaskId, std::unique_ptr<Page>> pages_;
  mutable std::array<Recent, kRecent> recent_;
  size_t size_ = 0;
};

}  // namespace treadle
