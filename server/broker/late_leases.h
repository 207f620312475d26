#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "server/broker/delivery.h"
#include "server/engine/types.h"

namespace treadle::broker {

// Leases whose payloads are being read from the store, and what was said on the same calls since:
// it waits behind them, so that a call hears of its tasks in order, and of no lease's stop before
// it hears of the lease. One thread.
class LateLeases {
 public:
  // One payload that is to be read.
  struct Missing {
    engine::CallId call{};
    uint64_t number = 0;  // of its Leased
    size_t index = 0;     // in it
    TaskId task;
    TaskId row;  // that has the payload
  };
  // What may be said now.
  using Say = std::pair<engine::Durability, Delivery>;

  // True: something is late on this call, and the delivery was put behind it.
  bool PutBehind(engine::CallId call, engine::Durability after, Delivery& delivery);
  // Those of its tasks that have no body are appended to `missing`; at least one.
  void Put(engine::Durability after, Leased leased, std::vector<Missing>& missing);
  // The row's payloads were read. Null: the task has ended, and the lease with it; it is left out.
  // Returns then, and only while the call is open, the pool from whose credit it was lent.
  std::optional<int32_t> Found(const Missing& missing, BodyPtr body);
  // Appends what waits for nothing on this call any more, in the order in which it was said.
  void Take(engine::CallId call, std::vector<Say>& ready);
  void CallClosed(engine::CallId call) { calls_.erase(call); }

  // Those on which something is late.
  template <typename Visit>
  void ForEachCall(Visit visit) const {
    for (const auto& [call, late] : calls_) visit(call);
  }

 private:
  struct Late {
    uint64_t number = 0;
    engine::Durability after{};
    Delivery delivery;
    size_t missing = 0;
  };

  absl::flat_hash_map<engine::CallId, std::deque<Late>> calls_;
  uint64_t last_number_ = 0;
};

}  // namespace treadle::broker
