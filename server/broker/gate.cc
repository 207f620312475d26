#include "server/broker/gate.h"

#include <algorithm>
#include <utility>

#include "proto/support/assert.h"
#include "server/broker/body.h"

namespace treadle::broker {

using engine::Durability;

void Gate::Appended(store::Sequence sequence, int64_t bytes) {
  TREADLE_ASSERT(sequence > appended_);
  appended_ = sequence;
  appended_bytes_ = bytes;
}

void Gate::Say(Durability after, Delivery delivery) {
  if (after == Durability::kSynced && synced_ < appended_) {
    unsynced_.said.push_back(std::move(delivery));
  } else if (after != Durability::kMemory && written_ < appended_) {
    unwritten_.said.push_back(std::move(delivery));
  } else if (synced_ < hold_until_) {
    held_.said.push_back(std::move(delivery));
  } else {
    now_.push_back(std::move(delivery));
  }
}

bool Gate::EndTurn() {
  if (!now_.empty()) outbox_.Release(std::exchange(now_, {}));
  const bool needs_sync = !unsynced_.said.empty() || hold_until_ > requested_;
  const int64_t bytes = std::exchange(appended_bytes_, 0);
  EndTurn(held_, hold_until_, 0);
  EndTurn(unwritten_, appended_, unsynced_.said.empty() ? bytes : 0);
  EndTurn(unsynced_, appended_, bytes);
  return needs_sync && std::exchange(requested_, appended_) < appended_;
}

void Gate::EndTurn(Level& level, store::Sequence after, int64_t row_bytes) {
  if (level.said.empty()) return;
  int64_t bytes = row_bytes;
  for (const Delivery& delivery : level.said) bytes += BytesOf(delivery);
  level.turns.push_back({after, bytes, std::exchange(level.said, {})});
  waiting_bytes_ += bytes;
}

void Gate::Written(store::Sequence sequence) {
  if (sequence <= written_) return;
  written_ = sequence;
  ReleaseSafe();
}

void Gate::Synced(store::Sequence sequence) {
  if (sequence <= synced_) return;
  synced_ = sequence;
  written_ = std::max(written_, sequence);
  ReleaseSafe();
}

void Gate::ForEachWaiting(absl::FunctionRef<void(const Delivery&)> visit) const {
  for (const Level* const level : {&held_, &unwritten_, &unsynced_}) {
    for (const Level::Turn& turn : level->turns) {
      for (const Delivery& delivery : turn.deliveries) visit(delivery);
    }
    for (const Delivery& delivery : level->said) visit(delivery);
  }
}

void Gate::ReleaseSafe() {
  if (synced_ < hold_until_) return;
  Release(held_, synced_);
  Release(unwritten_, written_);
  Release(unsynced_, synced_);
}

void Gate::Release(Level& level, store::Sequence reached) {
  while (!level.turns.empty() && level.turns.front().after <= reached) {
    Level::Turn turn = std::move(level.turns.front());
    level.turns.pop_front();
    waiting_bytes_ -= turn.bytes;
    outbox_.Release(std::move(turn.deliveries));
  }
}

}  // namespace treadle::broker
