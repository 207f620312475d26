#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "server/engine/histogram.h"
#include "server/store/store.h"

namespace treadle::broker {

// Milliseconds from an append to its return from the disk: a good disk takes less than one.
inline constexpr std::array<int64_t, 12> kSyncBoundsMs = {1,   2,   5,   10,    20,    50,
                                                          100, 200, 500, 1'000, 3'000, 10'000};
// What one turn takes and stores: BrokerOptions::turn_requests_max and turn_bytes_max are its
// bounds, or near them.
inline constexpr std::array<int64_t, 11> kTurnRequestsBounds = {1,   2,   5,   10,    20,   50,
                                                                100, 200, 500, 1'000, 2'000};
inline constexpr std::array<int64_t, 9> kBatchBytesBounds = {
    256, 1'024, 4'096, 16'384, 65'536, 262'144, 1'048'576, 4'194'304, 16'777'216};

// What the broker counts since its start.
struct TurnFigures {
  engine::Histogram<kTurnRequestsBounds> requests;  // of turns that took some; runs count as tasks
  engine::Histogram<kBatchBytesBounds> batch_bytes;
  engine::Histogram<kSyncBoundsMs> sync_ms;  // of batches that somebody waited for
  int64_t sync_last_ms = -1;                 // of these, the last one; -1: none yet
  int64_t rows = 0;                          // written or deleted
};

// What waits in a lane, or was taken from it by the turn at hand.
struct LaneFigures {
  int64_t requests = 0;
  int64_t bytes = 0;
  int64_t held_streams = 0;  // that post nothing until there is room
};

// How long appended batches take to their sync. One thread.
class SyncTimes {
 public:
  explicit SyncTimes(TurnFigures& into) : into_(into) {}

  // A sync up to here was asked for.
  void Asked(store::Sequence sequence, int64_t now_ms) { asked_.emplace_back(sequence, now_ms); }
  void Synced(store::Sequence sequence, int64_t now_ms) {
    for (; !asked_.empty() && asked_.front().first <= sequence; asked_.pop_front()) {
      into_.sync_last_ms = now_ms - asked_.front().second;
      into_.sync_ms.Add(into_.sync_last_ms);
    }
  }

 private:
  TurnFigures& into_;
  std::deque<std::pair<store::Sequence, int64_t>> asked_;  // and when
};

}  // namespace treadle::broker
