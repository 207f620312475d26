#pragma once

#include <cstdint>

#include "absl/status/status.h"

#include "server/store/store.h"

namespace treadle::broker {

// Whether the store's device has room for more tasks. The store says what it found when it was
// asked before, so it is to be asked in every turn, and is a few times a second.
class FreeSpace {
 public:
  FreeSpace(store::Store& store, int64_t bytes_min) : store_(store), bytes_min_(bytes_min) {}

  // RESOURCE_EXHAUSTED with a sentence for the submitter.
  const absl::Status& Check(int64_t now_ms);
  // What the store said last.
  int64_t bytes() const { return bytes_; }

 private:
  store::Store& store_;
  const int64_t bytes_min_;
  int64_t ask_at_ms_ = INT64_MIN;
  int64_t bytes_ = 0;
  absl::Status answer_;
};

}  // namespace treadle::broker
