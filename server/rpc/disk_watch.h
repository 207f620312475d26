#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>

#include "server/store/store.h"

namespace treadle::rpc {

// Tells of a disk that hangs: what waits for it waits without a word otherwise. In the log after
// kHungMs, then twice a minute, and when it is over; and to whoever asks for the server's health.
// One thread.
class DiskWatch {
 public:
  static constexpr int64_t kLookMs = 500;
  static constexpr int64_t kHungMs = 3'000;
  static constexpr int64_t kSayAgainMs = 30'000;

  // The store outlives it. `serves` is told when that changes.
  DiskWatch(const store::Store& store, std::function<void(bool serves)> serves);

  // To be called every kLookMs. Twice that between two calls was a pause of this process, in which
  // the disk could not be seen to answer.
  void Look(int64_t now_ms);

 private:
  const store::Store& store_;
  const std::function<void(bool serves)> serves_;
  int64_t looked_at_ms_ = std::numeric_limits<int64_t>::min() / 2;
  int64_t awake_since_ms_ = 0;
  std::optional<int64_t> hung_since_ms_;
  int64_t said_at_ms_ = 0;
};

}  // namespace treadle::rpc
