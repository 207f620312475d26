#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/functional/function_ref.h"

#include "server/broker/delivery.h"
#include "server/engine/types.h"
#include "server/store/store.h"

namespace treadle::broker {

// Lets deliveries out when what they rest on is as safe as it must be. Those that wait for the same
// level wait in the order in which they were said. One thread.
class Gate {
 public:
  explicit Gate(Outbox& outbox) : outbox_(outbox) {}

  // The rows of the turn that follows were appended.
  void Appended(store::Sequence sequence, int64_t bytes);
  // kWritten and kSynced wait for everything that was appended so far: what is said may rest on any
  // of it.
  void Say(engine::Durability after, Delivery delivery);
  // Nothing that is said from now on leaves before what was appended so far is synced: for numbers
  // that must never be given out again after a power cut.
  void HoldAll() { hold_until_ = appended_; }
  // Ends a turn: what may leave leaves. True: something waits for a sync that was not asked for.
  bool EndTurn();
  // All is in the operating system's hands up to `sequence`.
  void Written(store::Sequence sequence);
  // All is on disk up to `sequence`.
  void Synced(store::Sequence sequence);

  store::Sequence appended() const { return appended_; }
  store::Sequence written() const { return written_; }
  store::Sequence synced() const { return synced_; }
  // Something waits for a write only, or for a sync.
  bool AwaitsWrite() const { return !unwritten_.turns.empty(); }
  bool AwaitsSync() const { return !unsynced_.turns.empty() || !held_.turns.empty(); }
  // What waits, in no order.
  void ForEachWaiting(absl::FunctionRef<void(const Delivery&)> visit) const;
  // Held by what waits, rows included.
  int64_t waiting_bytes() const { return waiting_bytes_; }

 private:
  // What waits for one level: of the turn at hand, and of those before it, each with the sequence
  // that it waits for.
  struct Level {
    struct Turn {
      store::Sequence after = 0;
      int64_t bytes = 0;
      std::vector<Delivery> deliveries;
    };
    std::vector<Delivery> said;
    std::deque<Turn> turns;
  };

  void EndTurn(Level& level, store::Sequence after, int64_t row_bytes);
  void ReleaseSafe();
  void Release(Level& level, store::Sequence reached);

  Outbox& outbox_;
  store::Sequence appended_ = 0;
  store::Sequence written_ = 0;
  store::Sequence synced_ = 0;
  store::Sequence requested_ = 0;   // a sync up to here is under way
  store::Sequence hold_until_ = 0;  // nothing leaves before this is synced
  int64_t appended_bytes_ = 0;      // of the turn at hand
  std::vector<Delivery> now_;
  Level held_;  // waits for nothing but hold_until_
  Level unwritten_;
  Level unsynced_;
  int64_t waiting_bytes_ = 0;
};

}  // namespace treadle::broker
