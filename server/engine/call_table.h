#pragma once

#include <memory>

#include "absl/container/flat_hash_map.h"

#include "server/engine/holder.h"
#include "server/engine/session_table.h"
#include "server/engine/waiter.h"

namespace treadle::engine {

// What hangs on an open call.
struct Call {
  Session* session = nullptr;
  Worker* worker = nullptr;
  Poll* poll = nullptr;
  List<Waiter, CallWaiterTag> waiters;

  bool empty() const {
    return session == nullptr && worker == nullptr && poll == nullptr && waiters.empty();
  }
};

// Calls that the engine has something to do with. A unary call that was answered is not among them.
class CallTable {
 public:
  Call* Find(CallId id) const {
    const auto found = calls_.find(id);
    return found == calls_.end() ? nullptr : found->second.get();
  }
  Call& Obtain(CallId id) {
    std::unique_ptr<Call>& call = calls_[id];
    if (call == nullptr) call = std::make_unique<Call>();
    return *call;
  }
  // Forgets the call when nothing hangs on it any more.
  void Release(CallId id) {
    const auto found = calls_.find(id);
    if (found != calls_.end() && found->second->empty()) calls_.erase(found);
  }

  Worker* WorkerOf(CallId id) const {
    const Call* const call = Find(id);
    return call == nullptr ? nullptr : call->worker;
  }
  Session* SessionOf(CallId id) const {
    const Call* const call = Find(id);
    return call == nullptr ? nullptr : call->session;
  }

  const absl::flat_hash_map<CallId, std::unique_ptr<Call>>& all() const { return calls_; }

 private:
  absl::flat_hash_map<CallId, std::unique_ptr<Call>> calls_;
};

}  // namespace treadle::engine
