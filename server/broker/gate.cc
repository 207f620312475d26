#include "server/broker/gate.h"

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
  (synced_ >= safe ? now_ : later_).push_back(std::move(delivery));
}

void Gate::SayFirst(engine::Durability after, Delivery delivery) {
  if (after == engine::Durability::kSynced || synced_ < hold_until_) HoldAll();
  Say(after, std::move(delivery));
}

bool Gate::EndTurn() {
  if (!now_.empty()) outbox_.Release(std::exchange(now_, {}));
  const int64_t bytes =
      std::exchange(appended_bytes_, 0) + static_cast<int64_t>(later_.size() * sizeof(Delivery));
  if (!later_.empty()) {
    waiting_.push_back(Turn{appended_, bytes, std::exchange(later_, {})});
    waiting_bytes_ += bytes;
  } else if (hold_until_ <= requested_) {
    return false;
  }
  return std::exchange(requested_, appended_) < appended_;
}

void Gate::Synced(store::Sequence sequence) {
  if (sequence <= synced_) return;
  synced_ = sequence;
  while (!waiting_.empty() && waiting_.front().after <= synced_) {
    Turn turn = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= turn.bytes;
    outbox_.Release(std::move(turn.deliveries));
  }
}

}  // namespace treadle::broker
