#include "worker/pool/manual_pool.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace treadle::worker {

struct ManualPool::State {
  std::shared_ptr<const Handlers> handlers;
  std::shared_ptr<AttemptEvents> events;

  std::mutex mutex;
  std::condition_variable ended;
  // All below: GUARDED_BY(mutex).
  AttemptLine waiting;
  std::vector<AttemptPtr> running;
  int ending = 0;  // ran, and End is being called
  int64_t room = 0;
  bool closed = false;
  bool shut_down = false;
};

ManualPool::ManualPool(int slots, int64_t waiting_max, std::shared_ptr<const Handlers> handlers,
                       std::shared_ptr<AttemptEvents> events)
    : slots_(slots), state_(std::make_shared<State>()) {
  state_->handlers = std::move(handlers);
  state_->events = std::move(events);
  state_->room = slots + waiting_max;
}

ManualPool::~ManualPool() { Shutdown(std::chrono::milliseconds(0)); }

bool ManualPool::RunOne() {
  const std::shared_ptr<State> state = state_;
  AttemptPtr attempt;
  {
    std::lock_guard lock(state->mutex);
    if (state->waiting.empty() || state->running.size() == static_cast<size_t>(slots_)) {
      return false;
    }
    attempt = state->waiting.PopFront();
    state->running.push_back(attempt);
  }
  AttemptResult result = state->events->Begin(attempt)
                             ? RunHandler(*state->handlers, *attempt, *state->events)
                             : AttemptResult::Stopped();
  {
    std::lock_guard lock(state->mutex);
    std::erase(state->running, attempt);
    ++state->room;
    ++state->ending;
  }
  state->events->End(attempt, std::move(result));
  std::lock_guard lock(state->mutex);
  --state->ending;
  state->ended.notify_all();
  return true;
}

size_t ManualPool::Submit(std::span<AttemptPtr> attempts) {
  std::lock_guard lock(state_->mutex);
  if (state_->closed) return 0;
  const size_t taken = std::min(attempts.size(), static_cast<size_t>(state_->room));
  state_->room -= static_cast<int64_t>(taken);
  for (AttemptPtr& attempt : attempts.first(taken)) state_->waiting.PushBack(std::move(attempt));
  return taken;
}

void ManualPool::Stop(const AttemptPtr& attempt, StopReason reason) {
  bool waited;
  {
    std::lock_guard lock(state_->mutex);
    waited = state_->waiting.Remove(*attempt);
    if (waited) ++state_->room;
  }
  attempt->RequestStop(reason);
  if (waited) state_->events->End(attempt, AttemptResult::Stopped());
}

std::vector<AttemptPtr> ManualPool::TakeBack(size_t count) {
  std::lock_guard lock(state_->mutex);
  std::vector<AttemptPtr> taken = state_->waiting.TakeBack(count);
  state_->room += static_cast<int64_t>(taken.size());
  return taken;
}

void ManualPool::Close() {
  std::lock_guard lock(state_->mutex);
  state_->closed = true;
}

size_t ManualPool::Shutdown(std::chrono::milliseconds grace) {
  Close();
  for (const AttemptPtr& attempt : TakeBack(std::numeric_limits<size_t>::max())) {
    state_->events->End(attempt, AttemptResult::Released());
  }
  std::unique_lock lock(state_->mutex);
  if (std::exchange(state_->shut_down, true)) return 0;
  const std::vector<AttemptPtr> running = state_->running;
  lock.unlock();
  for (const AttemptPtr& attempt : running) attempt->RequestStop(StopReason::kShutdown);
  lock.lock();
  state_->ended.wait_for(lock, grace,
                         [this] { return state_->running.empty() && state_->ending == 0; });
  state_->ended.wait(lock, [this] { return state_->ending == 0; });
  return state_->running.size();
}

}  // namespace treadle::worker
