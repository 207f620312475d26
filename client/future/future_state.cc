#include "client/future/future_state.h"

#include <algorithm>
#include <new>
#include <utility>

#include "proto/support/assert.h"

namespace treadle::client {

bool WaitPoint::Arrive(size_t index) {
  std::lock_guard lock(mutex_);
  arrivals_.push_back(index);
  return waiting_ && !std::exchange(wake_promised_, true);
}

void WaitPoint::Wake() { arrived_.notify_one(); }

std::optional<size_t> WaitPoint::Next(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const auto arrived = [this] { return !arrivals_.empty(); };
  waiting_ = true;
  if (deadline == std::chrono::steady_clock::time_point::max()) {
    arrived_.wait(lock, arrived);
  } else {
    arrived_.wait_until(lock, deadline, arrived);
  }
  waiting_ = false;
  wake_promised_ = false;
  if (arrivals_.empty()) return std::nullopt;
  const size_t index = arrivals_.front();
  arrivals_.pop_front();
  return index;
}

void Wakeups::WakePoints() {
  for (const std::shared_ptr<WaitPoint>& point : points) point->Wake();
  points.clear();
}

PointListener::PointListener(FutureStateRef state, Until until, std::shared_ptr<WaitPoint> point,
                             size_t index)
    : Listener(until), state_(std::move(state)), point_(std::move(point)), index_(index) {}

PointListener::~PointListener() { state_->Unlisten(*this); }

bool PointListener::Start() { return state_->Listen(*this); }

void PointListener::OnReached(Wakeups& wakeups) {
  if (point_->Arrive(index_)) wakeups.points.push_back(point_);
}

// States that were made together: one allocation, which goes with the last of them. So few that one
// which is kept for long does not keep much.
class FutureSlab {
 public:
  static constexpr uint32_t kStatesMax = 32;

  // Appends `count` states. REQUIRES: count <= kStatesMax.
  static void Make(uint32_t count, FutureHome* home,
                   const std::shared_ptr<TaskQuestions>& questions,
                   std::vector<FutureStateRef>& states) {
    auto* const slab = new FutureSlab(count, questions);
    for (uint32_t i = 0; i < count; ++i) {
      auto* const state = new (slab->places_ + i * sizeof(FutureState)) FutureState(home);
      state->slab_ = slab;
      states.emplace_back(state);
    }
  }
  void Destroy(FutureState& state) {
    state.~FutureState();
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  const std::shared_ptr<TaskQuestions>& questions() const { return questions_; }

 private:
  FutureSlab(uint32_t count, const std::shared_ptr<TaskQuestions>& questions)
      : questions_(questions), left_(count) {}

  // One count for all of them.
  const std::shared_ptr<TaskQuestions> questions_;

  std::atomic<uint32_t> left_;
  alignas(FutureState) std::byte places_[kStatesMax * sizeof(FutureState)];
};

std::vector<FutureStateRef> FutureState::Make(size_t count, FutureHome* home,
                                              std::shared_ptr<TaskQuestions> questions) {
  std::vector<FutureStateRef> states;
  states.reserve(count);
  while (count - states.size() > 1) {
    const auto more = std::min<size_t>(count - states.size(), FutureSlab::kStatesMax);
    FutureSlab::Make(static_cast<uint32_t>(more), home, questions, states);
  }
  if (states.size() < count) {
    states.emplace_back(new FutureState(home, std::move(questions)));
  }
  return states;
}

void FutureState::Delete() {
  if (slab_ != nullptr) {
    slab_->Destroy(*this);
  } else {
    delete this;
  }
}

bool FutureState::Listen(Listener& listener) {
  const uint32_t reached =
      listener.until_ == Listener::Until::kDone ? kDoneBit : kDoneBit | kAcceptedBit;
  std::lock_guard lock(mutex_);
  // Before the look: from here on the session's thread comes for the lock.
  if ((bits_.fetch_or(kWatchedBit, std::memory_order_acq_rel) & reached) != 0) return false;
  Link(listener);
  if (listener.until_ == Listener::Until::kAccepted) home_->RequestAnswer();
  return true;
}

bool FutureState::LetAnswerWait() {
  if ((bits_.fetch_or(kWaitsBit, std::memory_order_acq_rel) & kWatchedBit) == 0) return true;
  std::lock_guard lock(mutex_);
  for (const Listener* one = listeners_; one != nullptr; one = one->next_) {
    if (one->until_ == Listener::Until::kAccepted) return false;
  }
  return true;
}

void FutureState::Unlisten(Listener& listener) {
  std::lock_guard lock(mutex_);
  if (listener.linked_) Unlink(listener);
}

bool FutureState::Cancel() {
  std::lock_guard lock(mutex_);
  if ((bits_.fetch_or(kWatchedBit, std::memory_order_acq_rel) & kDoneBit) != 0) return false;
  // Not done, and cannot be published as done without this lock: so its home is there.
  Retain();
  home_->RequestCancel(FutureStateRef(this));
  return true;
}

const std::shared_ptr<TaskQuestions>& FutureState::Questions() const {
  return slab_ == nullptr ? questions_ : slab_->questions();
}

void FutureState::PublishAccepted(Wakeups& wakeups) { Publish(kAcceptedBit, wakeups); }

void FutureState::PublishDone(Wakeups& wakeups) { Publish(kDoneBit, wakeups); }

void FutureState::Publish(uint32_t bit, Wakeups& wakeups) {
  const uint32_t before = bits_.fetch_or(bit, std::memory_order_acq_rel);
  TREADLE_ASSERT((before & bit) == 0);
  if ((before & kWatchedBit) == 0) return;
  std::lock_guard lock(mutex_);
  for (Listener* listener = listeners_; listener != nullptr;) {
    Listener* const next = listener->next_;
    if (bit == kDoneBit || listener->until_ == Listener::Until::kAccepted) {
      Unlink(*listener);
      listener->OnReached(wakeups);
    }
    listener = next;
  }
}

void FutureState::Link(Listener& listener) {
  listener.linked_ = true;
  listener.next_ = nullptr;
  if (listeners_ == nullptr) {
    listener.previous_ = &listener;
    listeners_ = &listener;
    return;
  }
  listener.previous_ = listeners_->previous_;
  listener.previous_->next_ = &listener;
  listeners_->previous_ = &listener;
}

void FutureState::Unlink(Listener& listener) {
  listener.linked_ = false;
  if (&listener == listeners_) {
    listeners_ = listener.next_;
  } else {
    listener.previous_->next_ = listener.next_;
  }
  Listener* const after = listener.next_ != nullptr ? listener.next_ : listeners_;
  if (after != nullptr) after->previous_ = listener.previous_;
}

}  // namespace treadle::client
