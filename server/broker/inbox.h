#pragma once

#include <array>
#include <bitset>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

#include "proto/support/clock.h"
#include "server/broker/broker.h"
#include "server/broker/call_queue.h"
#include "server/store/store.h"

namespace treadle::broker {

// {}: it belongs to no call.
engine::CallId CallOf(const Action& action);
// What a request holds in memory, near enough.
int64_t BytesOf(const Request& request);
// As how many it counts: a submit or a report of several tasks is one for each.
int64_t WeightOf(const Request& request);

// How far the store has come with what was appended.
struct StoreProgress {
  store::Sequence written = 0;
  store::Sequence synced = 0;
};

using LaneSet = std::bitset<kLanes>;

// Where other threads leave word for the broker's: requests, writes and syncs that have returned,
// what was read, the wish to stop. Any thread posts; the broker's thread takes.
//
// Requests wait in lanes, each with the whole bound of its own, so that a flood in one holds back
// nobody in another. Within a lane clients go by what has been taken from them, in bytes, and a
// client may have as much of the bound as is still free: so a flood of one holds back no other
// either. What is taken goes on counting until the turn that took it is over.
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
  // Something was read: `then` is to follow from it on the broker's thread. Never refused: the
  // broker bounds what it reads.
  void Found(absl::AnyInvocable<void()> then);

  // The rest but Wait is for the broker's thread only.

  // What was taken in the last turn is done with; appends the streams that may post again, those
  // first that have waited longest. False: there is nothing to take in these lanes.
  bool BeginTurn(LaneSet lanes, std::vector<engine::CallId>& resumed);
  // The lane's next requests, in order: no more than it takes to reach `requests_max`, as they
  // count, or `bytes_max` of bodies. Empty: there are none. They live until the lane is taken from
  // again.
  absl::Span<Request> Take(Lane lane, int64_t requests_max, int64_t bytes_max);
  // When the oldest of the lane's requests came that was not taken yet; INT64_MAX: there is none.
  int64_t OldestArrivalMs(Lane lane) const;
  // The calls of what was not taken from the lane, each perhaps several times.
  void ForEachCall(Lane lane, absl::FunctionRef<void(engine::CallId)> visit) const;
  LaneFigures Figures(Lane lane) const;
  // What Found was told since the last time, in order.
  std::vector<absl::AnyInvocable<void()>> TakeFound();
  // The latest words of Written and Synced; 0: none yet.
  absl::StatusOr<StoreProgress> progress() const;
  bool closed() const;

  // Waits until a write or a sync returns that goes beyond `seen`, something was read, there is a
  // request in one of these lanes, the inbox is closed (unless some lane is left out), or
  // `timeout_ms` is over.
  void Wait(int64_t timeout_ms, StoreProgress seen, LaneSet lanes);
  // As Wait, for writes and syncs only.
  void WaitForStore(StoreProgress seen);

 private:
  struct Batch {
    engine::CallId call{};
    std::vector<Request> requests;
    int64_t arrived_ms = 0;
    size_t next = 0;      // the first that was not taken
    uint64_t number = 0;  // when it came, among those of its lane
  };
  struct Load {
    int64_t requests = 0;
    int64_t bytes = 0;
    void Add(const Load& more) {
      requests += more.requests;
      bytes += more.bytes;
    }
    void Remove(const Load& less) {
      requests -= less.requests;
      bytes -= less.bytes;
    }
  };
  using Loads = absl::flat_hash_map<uint32_t, Load>;  // by client
  // What waits in a lane was posted in this order, and is taken in another.
  class Arrivals {
   public:
    uint64_t Add(int64_t arrived_ms) {
      waiting_.push_back(arrived_ms);
      return first_ + waiting_.size() - 1;
    }
    void Taken(uint64_t number) {
      waiting_[number - first_] = kTaken;
      for (; !waiting_.empty() && waiting_.front() == kTaken; ++first_) waiting_.pop_front();
    }
    int64_t oldest_ms() const { return waiting_.empty() ? INT64_MAX : waiting_.front(); }

   private:
    static constexpr int64_t kTaken = INT64_MIN;
    std::deque<int64_t> waiting_;
    uint64_t first_ = 0;
  };
  struct HeldStream {
    engine::CallId call{};
    Load posted;  // the message that it was held for: its next one is likely to be as large
  };
  struct LaneState {
    // Under the mutex.
    std::vector<Batch> posted;
    Load load;  // what waits, and what the turn at hand has taken
    Loads clients;
    std::deque<HeldStream> held;

    // The broker's thread's own.
    CallQueue<Batch> waiting;
    Arrivals arrivals;  // of `waiting`
    Batch taken;        // the last that was taken from
    int64_t taken_bytes = 0;
    Load done;
    std::vector<std::pair<uint32_t, Load>> clients_done;
  };

  void Returned(absl::StatusOr<store::Sequence> upto, store::Sequence StoreProgress::*which);
  bool HasProgress(const StoreProgress& seen) const;
  bool IsFull(const LaneState& lane, engine::CallId call, const Load& more) const;
  bool FitsInto(const LaneState& lane, const Load& more) const;
  absl::Status FullError(const LaneState& lane, engine::CallId call, const Load& more) const;
  bool HasShare(const Load& all, const Load& own, const Load& more) const;
  bool Append(LaneState& lane, engine::CallId call, std::vector<Request>&& requests,
              const Load& load);
  void PutBack(LaneState& lane);
  void Resume(LaneState& lane, std::vector<engine::CallId>& resumed) const;
  LaneState& At(Lane lane) { return lanes_[static_cast<size_t>(lane)]; }
  const LaneState& At(Lane lane) const { return lanes_[static_cast<size_t>(lane)]; }

  const Clock& clock_;
  const int64_t requests_max_;
  const int64_t bytes_max_;

  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::array<LaneState, kLanes> lanes_;
  std::vector<absl::AnyInvocable<void()>> found_;
  absl::StatusOr<StoreProgress> progress_ = StoreProgress{};
  bool closed_ = false;
  bool waiting_ = false;  // the broker's thread sleeps: wake it
  StoreProgress seen_;    // by the sleeper
};

}  // namespace treadle::broker
