#include "server/broker/gate.h"

#include <utility>

#include "proto/support/assert.h"
#include "server/broker/body.h"

namespace treadle::broker {

void Gate::Appended(store::Sequence sequence, int64_t bytes) {
  TREADLE_ASSERT(sequence > appended_);
  appended_ = sequence;
  appended_bytes_ = bytes;
}

void Gate::Say(engine::Durability after, Delivery delivery) {
  const store::Sequence safe = after == engine::Durability::kSynced ? appended_ : hold_until_;
  if (synced_ >= safe) {
    now_.push_back(std::move(delivery));
  } else if (safe == appended_) {
    later_.push_back(std::move(delivery));
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
  Wait(held_until_, later_.empty() ? bytes : 0, held_);
  Wait(appended_, bytes, later_);
  return needs_sync && std::exchange(requested_, appended_) < appended_;
}

void Gate::Wait(store::Sequence after, int64_t row_bytes, std::vector<Delivery>& deliveries) {
  if (deliveries.empty()) return;
  int64_t bytes = row_bytes;
  for (const Delivery& delivery : deliveries) bytes += BytesOf(delivery);
  waiting_.push_back(Waiting{after, bytes, std::exchange(deliveries, {})});
  waiting_bytes_ += bytes;
}

void Gate::Synced(store::Sequence sequence) {
  if (sequence <= synced_) return;
  synced_ = sequence;
  size_t kept = 0;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i].after > synced_) {
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
