#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"

#include "server/engine/types.h"

namespace treadle::broker {

// What calls wait for, so that who asks for 100,000 things keeps no other waiting. Clients go by
// what they have cost (start-time fair queuing: Goyal, Vin and Cheng, 1996): who was given little
// comes before who was given much, and after a time of silence begins with the others. A client's
// calls take turns. Call {} stands for all that name none. One thread.
template <typename Item>
class CallQueue {
 public:
  void Add(engine::CallId call, Item item) { Of(call).push_back(std::move(item)); }
  // Next gave it, and it was not begun: it is the call's next one again.
  void GiveBack(engine::CallId call, Item item) {
    Of(call).push_front(std::move(item));
    --given_;
  }

  // As GiveBack, but some of it was done, at that cost.
  void GiveBackRest(engine::CallId call, Item rest, int64_t cost) {
    GiveBack(call, std::move(rest));
    const uint32_t number = engine::ClientOf(call);
    Move(number, clients_[number], cost);
  }

  // The next one and its call; follow it with Done or GiveBack. Absent: there is none.
  std::optional<std::pair<engine::CallId, Item>> Next() {
    if (waiting_.empty()) {
      Rest();
      return std::nullopt;
    }
    const auto [tag, number] = *waiting_.begin();
    virtual_time_ = tag;
    Client& client = clients_[number];
    auto found = client.calls.end();
    for (; found == client.calls.end(); client.order.pop_front()) {  // others have closed
      found = client.calls.find(client.order.front());
    }
    const engine::CallId call = found->first;
    std::pair<engine::CallId, Item> next(call, std::move(found->second.front()));
    found->second.pop_front();
    --size_;
    ++given_;
    if (found->second.empty()) {
      client.calls.erase(found);
    } else {
      client.order.push_back(call);
    }
    Move(number, client, 1);
    return next;
  }
  // What Next gave has cost so much more than nothing: bytes, about.
  void Done(engine::CallId call, int64_t cost) {
    --given_;
    const uint32_t number = engine::ClientOf(call);
    Client& client = clients_[number];
    client.tag = std::max(client.tag, virtual_time_);
    Move(number, client, cost);
  }

  // The call is over: what it waits for is not needed.
  void CallClosed(engine::CallId call) {
    const auto at = clients_.find(engine::ClientOf(call));
    if (at == clients_.end()) return;
    Client& client = at->second;
    const auto found = client.calls.find(call);
    if (found == client.calls.end()) return;
    size_ -= static_cast<int64_t>(found->second.size());
    client.calls.erase(found);
    if (client.order.size() > 2 * client.calls.size()) {
      std::erase_if(client.order,
                    [&](engine::CallId waits) { return !client.calls.contains(waits); });
    }
    Move(at->first, client, 0);
  }

  // In no order. `visit(call, item)`.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [number, client] : clients_) {
      for (const auto& [call, items] : client.calls) {
        for (const Item& item : items) visit(call, item);
      }
    }
  }

  bool empty() const { return size_ == 0; }
  int64_t size() const { return size_; }
  // Who waits, or is remembered for what he has cost.
  size_t clients() const { return clients_.size(); }

 private:
  // Of those who wait for nothing. Beyond it those are forgotten who have cost least.
  static constexpr size_t kRestingMax = 1'000;

  struct Client {
    absl::flat_hash_map<engine::CallId, std::deque<Item>> calls;
    std::deque<engine::CallId> order;  // those of `calls`, and some that have closed since
    int64_t tag = 0;                   // the virtual time at which its next one is due
    bool waits = false;                // it is in waiting_, otherwise in resting_
  };

  std::deque<Item>& Of(engine::CallId call) {
    const uint32_t number = engine::ClientOf(call);
    Client& client = clients_[number];
    const auto [found, is_new] = client.calls.try_emplace(call);
    if (is_new) client.order.push_back(call);
    ++size_;
    if (!client.waits) {
      resting_.erase({client.tag, number});
      client.tag = std::max(client.tag, virtual_time_);
      client.waits = true;
      waiting_.emplace(client.tag, number);
    }
    return found->second;
  }

  void Move(uint32_t number, Client& client, int64_t cost) {
    (client.waits ? waiting_ : resting_).erase({client.tag, number});
    client.tag += cost;
    client.waits = !client.calls.empty();
    (client.waits ? waiting_ : resting_).emplace(client.tag, number);
    Forget();
  }

  // Those whose time has come by now begin with the others, as somebody new does.
  void Forget() {
    while (!resting_.empty() &&
           (resting_.begin()->first <= virtual_time_ || resting_.size() > kRestingMax)) {
      clients_.erase(resting_.begin()->second);
      resting_.erase(resting_.begin());
    }
  }

  // Nobody waits, and nothing is under way: there is nothing to be fair about.
  void Rest() {
    if (given_ > 0) return;
    clients_.clear();
    resting_.clear();
    virtual_time_ = 0;
  }

  absl::flat_hash_map<uint32_t, Client> clients_;
  std::set<std::pair<int64_t, uint32_t>> waiting_;  // by tag
  std::set<std::pair<int64_t, uint32_t>> resting_;  // likewise
  int64_t virtual_time_ = 0;
  int64_t size_ = 0;
  int64_t given_ = 0;
};

}  // namespace treadle::broker
