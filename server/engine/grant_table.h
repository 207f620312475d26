#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "absl/container/btree_map.h"

#include "server/engine/task.h"
#include "server/engine/types.h"

namespace treadle::engine {

// Leases given to one holder in one turn: what a GrantRow says, as far as it is still needed.
struct Grant {
  GrantId id{};
  std::string worker_id;
  Name worker_name;
  Token first_token{};
  int64_t granted_at_ms = 0;
  int64_t lease_ms = 0;
  uint64_t tokens = 0;
  int64_t live = 0;  // leases
};

// Grants with live leases, and these by token.
class GrantTable {
 public:
  // By first token.
  using Map = std::map<uint64_t, Grant>;

  // REQUIRES: its tokens are in no other grant.
  Grant& Add(Grant grant) {
    const uint64_t first = static_cast<uint64_t>(grant.first_token);
    return grants_.emplace_hint(grants_.end(), first, std::move(grant))->second;
  }
  // REQUIRES: none of its leases lives.
  void Erase(const Grant& grant) { grants_.erase(static_cast<uint64_t>(grant.first_token)); }
  // A lease that lives: its token and its grant are set. One that was parted from another, too.
  void Put(LiveLease& lease) {
    leases_.emplace_hint(leases_.end(), static_cast<uint64_t>(lease.token), &lease);
  }
  void Drop(const LiveLease& lease) { leases_.erase(static_cast<uint64_t>(lease.token)); }

  // The task that is leased under this token now, or those that it is one of; null: none.
  Task* Find(Token token) const {
    const auto after = leases_.upper_bound(static_cast<uint64_t>(token));
    if (after == leases_.begin()) return nullptr;
    const LiveLease& lease = *std::prev(after)->second;
    const uint64_t index = lease.IndexOf(token);
    return index < lease.task.count ? &lease.task : nullptr;
  }

  const Map& all() const { return grants_; }

 private:
  Map grants_;
  absl::btree_map<uint64_t, LiveLease*> leases_;  // by first token
};

}  // namespace treadle::engine
