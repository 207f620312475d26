#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>

#include "absl/container/flat_hash_map.h"

#include "server/broker/broker.h"
#include "server/engine/output.h"

namespace treadle::broker {

// What was asked and is not answered yet because it may need the store: a turn answers some of it
// (BrokerOptions::turn_reads_max). Calls are served in turn, one question of each, so that who asks
// for 100,000 outcomes keeps no other waiting. One thread.
class PendingReads {
 public:
  // CancelDone: of a task that is not unfinished; whether it has ended is to be read.
  using Read = std::variant<AwaitTask, WatchTask, engine::CancelDone, Query>;

  // `call` {}: a query, which names none.
  void Add(engine::CallId call, Read read);
  // Empty: there is none.
  std::optional<Read> Next();
  // The call is over: what it asked for is not needed.
  void CallClosed(engine::CallId call);

  bool empty() const { return size_ == 0; }
  int64_t size() const { return size_; }

 private:
  absl::flat_hash_map<engine::CallId, std::deque<Read>> asked_;
  // Those of asked_, and calls that have closed since.
  std::deque<engine::CallId> order_;
  int64_t size_ = 0;
};

}  // namespace treadle::broker
