#include "server/broker/gate.h"

#include <algorithm>
#include <utility>

#include "proto/support/assert.h"

namespace treadle::broker {

void Gate::Appended(store::Sequence sequence, int64_t bytes) {
  TREADLE_ASSERT(sequence > appended_);
  appended_ = sequence;
  appended_bytes_ = bytes;
}

void Gate::Say(engine::Durability after, Delivery delivery) {
  const store::Sequence safe = after == engine::Durability::kSynced ? appended_ : hold_until_;
  const bool written = after == engine::Durability::kMemory || written_ >= appended_;
  if (synced_ >= safe && written) {
    now_.push_back(std::move(delivery));
  } else if (synced_ < safe && safe == appended_) {
    later_.push_back(std::move(delivery));
  } else if (!written) {
    unwritten_.push_back(std::move(delivery));
    held_until_ = safe;
  } else {
    held_.push_back(std::move(delivery));
    held_until_ = safe;
  }
}

void Gate::SayFirst(engine::Durability after, Delivery delivery) {
  if (after == engine::Durability::kSynced) HoldAll();
  Say(after, std::move(delivery));
}

bool Gate::EndTurn() {
  if (!now_.empty()) outbox_.Release(std::exchange(now_, {}));
  const bool needs_sync = !later_.empty() || hold_until_ > requested_;
  const int64_t bytes = std::exchange(appended_bytes_, 0);
  Wait(held_until_, 0, later_.empty() && unwritten_.empty() ? bytes : 0, held_);
  Wait(held_until_, appended_, later_.empty() ? bytes : 0, unwritten_);
  Wait(appended_, appended_, bytes, later_);
  return needs_sync && std::exchange(requested_, appended_) < appended_;
}

void Gate::Wait(store::Sequence synced, store::Sequence written, int64_t row_bytes,
                std::vector<Delivery>& deliveries) {
  if (deliveries.empty()) return;
  const int64_t bytes = row_bytes + static_cast<int64_t>(deliveries.size() * sizeof(Delivery));
  waiting_.push_back(Waiting{synced, written, bytes, std::exchange(deliveries, {})});
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

void Gate::ReleaseSafe() {
  size_t kept = 0;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i].synced > synced_ || waiting_[i].written > written_) {
      if (kept != i) waiting_[kept] = std::move(waiting_[i]);
      ++kept;
    } else {
      waiting_bytes_ -= waiting_[i].bytes;
      outbox_.Release(std::move(waiting_[i].deliveries));
    }
  }
  waiting_.resize(kept);
}

}  // namespace treadle::broker
