#pragma once

#include <array>
#include <bitset>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "proto/support/clock.h"
#include "server/broker/broker.h"
#include "server/store/store.h"

namespace treadle::broker {

// How far the store has come with what was appended.
struct StoreProgress {
  store::Sequence written = 0;
  store::Sequence synced = 0;
  bool operator==(const StoreProgress&) const = default;
};

using LaneSet = std::bitset<kLanes>;
inline const LaneSet kAllLanes = LaneSet().set();

// Where other threads leave word for the broker's: requests, syncs that have returned, the wish to
// stop. Any thread posts; the broker's thread takes.
//
// Requests wait in lanes, each with the whole bound of its own, so that a flood in one holds back
// nobody in another. What is taken goes on counting until the turn that took it is over.
class Inbox {
 public:
  // The clock outlives the inbox.
  Inbox(const Clock& clock, int64_t requests_max, int64_t bytes_max);

  // Takes all of them, or none: `requests` is then as it was. RESOURCE_EXHAUSTED: the lane is full.
  // UNAVAILABLE: closed. CallClosed is taken even when full: a call that cannot end would hold what
  // it has for ever, and there are no more of them than calls.
  absl::Status Post(Lane lane, std::vector<Request>&& requests);
  // Takes all of them also when the lane is full, for a stream that then posts no more until it has
  // been resumed (BeginTurn): so it holds at most one message of each stream beyond its bound.
  // UNAVAILABLE: closed.
  absl::StatusOr<Reading> PostFrom(engine::CallId stream, Lane lane,
                                   std::vector<Request>&& requests);
  // From now on Post refuses with UNAVAILABLE.
  void Close();
  // A write, or a sync, has returned. Errors stay: nothing that comes later can make up for them.
  void Written(absl::StatusOr<store::Sequence> upto);
  void Synced(absl::StatusOr<store::Sequence> upto);

  // The rest but Wait is for the broker's thread only.

  // What was taken in the last turn is done with; appends the streams that may post again, those
  // first that have waited longest. False: there is nothing to take in these lanes.
  bool BeginTurn(LaneSet lanes, std::vector<engine::CallId>& resumed);
  // The lane's next requests, in order: `requests_max` at most, and no more than it takes to reach
  // `bytes_max` of bodies. Empty: there are none. They live until the lane is taken from again.
  absl::Span<Request> Take(Lane lane, size_t requests_max, int64_t bytes_max);
  // When the oldest of the lane's requests came that was not taken yet; INT64_MAX: there is none.
  int64_t OldestArrivalMs(Lane lane) const;
  // The latest words of Written and Synced; 0: none yet.
  absl::StatusOr<StoreProgress> progress() const;
  bool closed() const;

  // Waits until a write or a sync returns that the caller, who knows of `seen`, has not heard of;
  // also until there is a request in one of these lanes, or, when they are all, the inbox is
  // closed; or `timeout_ms` is over.
  void Wait(std::optional<int64_t> timeout_ms, StoreProgress seen, LaneSet lanes);

 private:
  struct Batch {
    std::vector<Request> requests;
    int64_t arrived_ms = 0;
  };
  struct Load {
    int64_t requests = 0;
    int64_t bytes = 0;
  };
  struct HeldStream {
    engine::CallId call{};
    Load posted;  // the message that it was held for: its next one is likely to be as large
  };
  struct LaneState {
    // Under the mutex.
    std::vector<Batch> posted;
    Load load;  // what waits, and what the turn at hand has taken
    std::deque<HeldStream> held;

    // The broker's thread's own: what it took at once, and how far it has come.
    std::vector<Batch> taken;
    size_t batch = 0;
    size_t next = 0;
    Load done;
  };

  bool IsFull(const LaneState& lane, const Load& more) const;
  void Returned(absl::StatusOr<store::Sequence> upto, store::Sequence StoreProgress::*field);
  bool Append(LaneState& lane, std::vector<Request>&& requests, const Load& load);
  void Resume(LaneState& lane, std::vector<engine::CallId>& resumed) const;
  LaneState& At(Lane lane) { return lanes_[static_cast<size_t>(lane)]; }
  const LaneState& At(Lane lane) const { return lanes_[static_cast<size_t>(lane)]; }

  const Clock& clock_;
  const int64_t requests_max_;
  const int64_t bytes_max_;

  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::array<LaneState, kLanes> lanes_;
  absl::StatusOr<StoreProgress> progress_ = StoreProgress{};
  bool closed_ = false;
  bool waiting_ = false;  // the broker's thread sleeps: wake it
};

}  // namespace treadle::broker
