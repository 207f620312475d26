#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "server/engine/types.h"

namespace treadle::broker {

// What calls wait for, one of each call in turn: so that who asks for 100,000 things keeps no other
// waiting. Call {} stands for all that name none. One thread.
template <typename Item>
class CallQueue {
 public:
  void Add(engine::CallId call, Item item) {
    std::deque<Item>& items = items_[call];
    if (items.empty()) order_.push_back(call);
    items.push_back(std::move(item));
    ++size_;
  }

  // The next one and its call. Absent: there is none.
  std::optional<std::pair<engine::CallId, Item>> Next() {
    while (!order_.empty()) {
      const engine::CallId call = order_.front();
      order_.pop_front();
      const auto found = items_.find(call);
      if (found == items_.end()) continue;  // it has closed
      std::deque<Item>& items = found->second;
      std::pair<engine::CallId, Item> next(call, std::move(items.front()));
      items.pop_front();
      --size_;
      if (items.empty()) {
        items_.erase(found);
      } else {
        order_.push_back(call);
      }
      return next;
    }
    return std::nullopt;
  }

  // The call is over: what it waits for is not needed.
  void CallClosed(engine::CallId call) {
    const auto found = items_.find(call);
    if (found == items_.end()) return;
    size_ -= static_cast<int64_t>(found->second.size());
    items_.erase(found);
  }

  bool empty() const { return size_ == 0; }
  int64_t size() const { return size_; }

 private:
  absl::flat_hash_map<engine::CallId, std::deque<Item>> items_;
  // Those of items_, and calls that have closed since.
  std::deque<engine::CallId> order_;
  int64_t size_ = 0;
};

}  // namespace treadle::broker
