#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "server/broker/delivery.h"
#include "server/engine/types.h"
#include "server/store/store.h"

namespace treadle::broker {

// Lets deliveries out when what they rest on is as safe as it must be. Those that wait for the same
// wait in the order in which they were said. One thread.
class Gate {
 public:
  explicit Gate(Outbox& outbox) : outbox_(outbox) {}

  // The rows of the turn that follows were appended.
  void Appended(store::Sequence sequence, int64_t bytes);
  // kSynced and kWritten wait for everything that was appended so far: what is said may rest on any
  // of it.
  void Say(engine::Durability after, Delivery delivery);
  // For what rests on nothing: it waits neither for the disk nor for a first word.
  void SayAtOnce(Delivery delivery) { now_.push_back(std::move(delivery)); }
  // As Say, and nothing that is said later, to whomever, leaves earlier. For the first word on a
  // stream, and for numbers (sessions, tokens) that must never be given out again after a power
  // cut.
  void SayFirst(engine::Durability after, Delivery delivery);
  void HoldAll() { hold_until_ = appended_; }
  // Ends a turn: what may leave leaves. True: something waits for a sync that was not asked for.
  bool EndTurn();
  // All is handed to the operating system up to `sequence`.
  void Written(store::Sequence sequence);
  // All is on disk up to `sequence`.
  void Synced(store::Sequence sequence);

  store::Sequence appended() const { return appended_; }
  store::Sequence written() const { return written_; }
  store::Sequence synced() const { return synced_; }
  bool empty() const { return waiting_.empty(); }
  // Held by what waits, rows included.
  int64_t waiting_bytes() const { return waiting_bytes_; }

 private:
  // What one turn said that waits for the same.
  struct Waiting {
    store::Sequence synced = 0;   // may leave when that far
    store::Sequence written = 0;  // and that far
    int64_t bytes = 0;
    std::vector<Delivery> deliveries;
  };

  void Wait(store::Sequence synced, store::Sequence written, int64_t row_bytes,
            std::vector<Delivery>& deliveries);
  void ReleaseSafe();

  Outbox& outbox_;
  store::Sequence appended_ = 0;
  store::Sequence written_ = 0;
  store::Sequence synced_ = 0;
  store::Sequence requested_ = 0;   // a sync up to here is under way
  store::Sequence hold_until_ = 0;  // nothing leaves before this is synced
  int64_t appended_bytes_ = 0;      // of the turn at hand
  std::vector<Delivery> now_;
  // Waits for an older turn's first word, so that it leaves before what is said after that has
  // left.
  std::vector<Delivery> held_;
  store::Sequence held_until_ = 0;
  std::vector<Delivery> unwritten_;  // waits for its own turn to be written
  std::vector<Delivery> later_;      // waits for its own turn to be synced
  std::deque<Waiting> waiting_;
  int64_t waiting_bytes_ = 0;
};

}  // namespace treadle::broker
