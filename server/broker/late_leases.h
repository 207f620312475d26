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
  // One row whose payloads are to be read.
  struct Missing {
    engine::CallId call{};
    uint64_t number = 0;  // of its Leased
    size_t index = 0;     // in it
    TaskId task;          // the first one
    TaskId row;
  };
  // That a lease was given from.
  struct Credit {
    int32_t pool = 0;
    int32_t tasks = 0;
  };
  // What may be said now.
  using Say = std::pair<engine::Durability, Delivery>;

  // True: something is late on this call, and the delivery was put behind it.
  bool PutBehind(engine::CallId call, engine::Durability after, Delivery& delivery);
  // Those of its runs that have no payload are appended to `missing`; at least one.
  void Put(engine::Durability after, Leased leased, std::vector<Missing>& missing);
  // The row's payloads were read. Null: its tasks have ended, and the lease with them; it is left
  // out. Returns then, and only while the call is open, the credit from which it was given.
  std::optional<Credit> Found(const Missing& missing, BodyPtr body);
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
