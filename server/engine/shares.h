#pragma once

#include <cstdint>

#include "absl/container/flat_hash_map.h"

#include "server/engine/types.h"

namespace treadle::engine {

// How much of something bounded each client has. Nobody alone can take all of it: the last tenth of
// the bound is kept from any one connection, and half of that from any one address. (A bound below
// ten has no tenth.)
class Shares {
 public:
  explicit Shares(int64_t max) : max_(max) {}

  bool IsFull(int64_t amount = 1) const { return taken_ + amount > max_; }
  // There is room for others, but not for this one.
  bool IsGreedy(Origin who, int64_t amount = 1) const {
    return Of(connections_, who.connection) + amount > max_ - max_ / 10 ||
           Of(addresses_, who.address) + amount > max_ - max_ / 20;
  }
  void Take(Origin who, int64_t amount = 1) { Add(who, amount); }
  // REQUIRES: it was taken.
  void Return(Origin who, int64_t amount = 1) { Add(who, -amount); }

  int64_t max() const { return max_; }
  int64_t taken() const { return taken_; }

 private:
  using Amounts = absl::flat_hash_map<uint32_t, int64_t>;

  static int64_t Of(const Amounts& amounts, uint32_t who) {
    const auto found = amounts.find(who);
    return who == 0 || found == amounts.end() ? 0 : found->second;
  }
  static void Add(Amounts& amounts, uint32_t who, int64_t amount) {
    if (who == 0) return;
    if ((amounts[who] += amount) == 0) amounts.erase(who);
  }
  void Add(Origin who, int64_t amount) {
    taken_ += amount;
    Add(connections_, who.connection, amount);
    Add(addresses_, who.address, amount);
  }

  const int64_t max_;
  int64_t taken_ = 0;
  Amounts connections_;
  Amounts addresses_;
};

}  // namespace treadle::engine
