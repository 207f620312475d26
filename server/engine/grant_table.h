#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

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
  std::vector<Task*> tasks;  // null: that lease is over
  int64_t live = 0;

  Token TokenOf(size_t index) const { return Token{static_cast<uint64_t>(first_token) + index}; }
  // REQUIRES: `token` is one of this grant's.
  Task*& TaskOf(Token token) {
    return tasks[static_cast<uint64_t>(token) - static_cast<uint64_t>(first_token)];
  }
};

// Grants with live leases, by token.
class GrantTable {
 public:
  // By first token.
  using Map = std::map<uint64_t, Grant>;

  // REQUIRES: its tokens are in no other grant.
  Grant& Add(Grant grant) {
    const uint64_t first = static_cast<uint64_t>(grant.first_token);
    return grants_.emplace_hint(grants_.end(), first, std::move(grant))->second;
  }
  void Erase(const Grant& grant) { grants_.erase(static_cast<uint64_t>(grant.first_token)); }

  // The task that is leased under this token now; null: none.
  Task* Find(Token token) {
    auto after = grants_.upper_bound(static_cast<uint64_t>(token));
    if (after == grants_.begin()) return nullptr;
    Grant& grant = std::prev(after)->second;
    const uint64_t index = static_cast<uint64_t>(token) - static_cast<uint64_t>(grant.first_token);
    return index < grant.tasks.size() ? grant.tasks[index] : nullptr;
  }

  const Map& all() const { return grants_; }

 private:
  Map grants_;
};

}  // namespace treadle::engine
