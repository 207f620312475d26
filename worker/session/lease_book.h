#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"

#include "treadle/v1/worker_service.pb.h"
#include "worker/pool/attempt.h"
#include "worker/session/prefetch.h"

namespace treadle::worker {

// Adds the attempts of a run, whose strings it may take. `now` is when it arrived. False: the
// broker does not keep to the protocol.
bool ReadRun(v1::LeasedRun& run, std::chrono::steady_clock::time_point now,
             std::vector<AttemptPtr>& attempts);

// The leases that this worker holds, from their arrival until the attempt's end, and what is to be
// told about them meanwhile: starts, progress, and credit for more.
//
// Not thread-safe: the session guards it.
class LeaseBook {
  struct Block;

 public:
  struct Lease {
    AttemptPtr attempt;  // null: there is none under this token
    int32_t pool = 0;
    bool running = false;
    bool told = false;                       // the broker was told of the start
    bool confirmed = false;                  // and what told it has left
    bool stopping = false;                   // the broker wants its end
    std::unique_ptr<v1::Progress> progress;  // that is to be told
    Block* block = nullptr;
  };

  // For each pool, what bounds the attempts that it holds or was promised. All pools together hold
  // no more than a hello may name (limits::kHeldMax): beyond the slots each may fetch ahead an
  // equal share of that.
  struct Room {
    Room(int32_t slots_in, Prefetch prefetch_in) : slots(slots_in), prefetch(prefetch_in) {}

    int32_t slots;
    Prefetch prefetch;
  };

  explicit LeaseBook(const std::vector<Room>& rooms);

  // Enters attempts of one pool that have arrived together. Takes those out of `attempts` whose
  // token is here already.
  void Add(std::vector<AttemptPtr>& attempts, int32_t pool);
  // nullptr: not held, or not any more.
  Lease* Find(uint64_t token);
  Lease* Find(const Attempt& attempt) { return static_cast<Lease*>(attempt.lease_); }
  void Begin(Lease& lease);
  // The broker does not count this lease any more, and may use its token again (when it has lost
  // its memory). The attempt keeps its room until Remove.
  void Lose(uint64_t token);
  // The attempt is over.
  void Remove(const Attempt& attempt);

  // Of a pool: attempts that run, and all that are here.
  int32_t running(int32_t pool) const { return accounts_[static_cast<size_t>(pool)].running; }
  int32_t held(int32_t pool) const { return accounts_[static_cast<size_t>(pool)].held; }

  // Attempts that are here, those with lost leases included.
  size_t size() const { return held_ + lost_.size(); }
  // Their attempts and pools: Visit(const AttemptPtr&, int32_t pool).
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [first, block] : blocks_) {
      for (const Lease& lease : block->leases) {
        if (lease.attempt != nullptr) visit(lease.attempt, lease.pool);
      }
    }
    for (const auto& [attempt, lease] : lost_) visit(lease.attempt, lease.pool);
  }

  // Names every lease. All credit is void, and every start is to be told anew: what the broker had
  // was the old stream's.
  void FillHello(v1::WorkerHello& hello);

  // Attempts have begun that the broker was not told of; they may have ended since.
  bool has_starts() const { return !begun_.empty(); }
  // Adds the tokens of those that still run to the message, up to what one may carry; those that
  // wait for its confirmation to `to_confirm` too.
  void FillStarts(v1::AttachRequest& request, std::vector<uint64_t>& to_confirm);

  void Report(const Attempt& attempt, double fraction, std::string_view message);
  bool has_progress() const { return !progress_.empty(); }
  // Adds the latest word of each attempt, up to what one message may carry.
  void FillProgress(v1::AttachRequest& request);

  // There is room in the pools that the broker was not told of. `reports`: outcomes that the broker
  // has not acknowledged, whose leases a hello must name, too.
  bool has_credit(int64_t reports) const;
  void FillCredit(v1::AttachRequest& request, int64_t reports);
  // Whether the pool has types to run: no credit is given for one that has none. All do at first.
  void Serve(int32_t pool, bool serves) { AccountOf(pool).serves = serves; }
  // From now on the worker takes nothing: what credit the broker has is void.
  void WithdrawCredit();

  // Adapts what is fetched ahead. Call every Prefetch::kWindow.
  void Tick();
  // How many of a pool's attempts that wait would be better off elsewhere.
  int64_t Surplus(int32_t pool) const;

 private:
  struct Account {
    explicit Account(Room room_in) : room(room_in) {}

    Room room;
    int32_t held = 0;      // leases
    int32_t running = 0;   // of these
    int32_t promised = 0;  // credit that the broker has not used
    bool serves = true;
  };

  Account& AccountOf(int32_t pool) { return accounts_[static_cast<size_t>(pool)]; }
  int32_t Due(const Account& account) const;
  int64_t RoomInHello(int64_t reports) const;

  // Leases whose tokens follow one another: a place for each, free again when it is over. Of those
  // that came together, so many at most: a task that takes long keeps the places of its block.
  static constexpr uint64_t kBlockMax = 64;
  struct Block {
    Block(uint64_t first_token, size_t places);

    const uint64_t first;
    std::vector<Lease> leases;  // its size stays
    size_t held = 0;
  };
  using Blocks = absl::btree_map<uint64_t, std::unique_ptr<Block>>;  // by first token

  // The place for this token, in use or not; nullptr: there is none.
  Lease* FindPlace(uint64_t token);
  // A free place for the token, in a new block that may have `more` behind it, unless there is one.
  // nullptr: the token is here.
  Lease* PlaceOf(uint64_t token, size_t more);
  void Free(Lease& lease);
  void MakeRoom(const Lease& lease);

  Blocks blocks_;
  size_t held_ = 0;
  absl::flat_hash_map<const Attempt*, Lease> lost_;
  std::vector<Account> accounts_;   // by pool
  int32_t ahead_max_ = 0;           // of each pool
  std::vector<uint64_t> begun_;     // tokens
  std::vector<uint64_t> progress_;  // tokens of leases with progress to tell
  bool withdrawn_ = false;
};

}  // namespace treadle::worker
