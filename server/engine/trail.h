#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace treadle::engine {

// What a small state was, and when, over its last changes. It is 0 at first. Costs nothing while it
// does not change.
class Trail {
 public:
  // It is this from now on. What it was for no time is not kept.
  void Note(int64_t now_ms, uint8_t state);
  uint8_t now() const { return changes_.empty() ? 0 : changes_.back().state; }
  // Absent: it is forgotten.
  std::optional<uint8_t> At(int64_t at_ms) const;
  // When it next changed after this moment; INT64_MAX: not yet.
  int64_t NextAfter(int64_t at_ms) const;

  static constexpr size_t kChangesMax = 64;

 private:
  struct Change {
    int64_t since_ms;
    uint8_t state;
  };

  std::vector<Change> changes_;
  bool forgot_some_ = false;
};

}  // namespace treadle::engine
