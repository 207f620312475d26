#include "server/rpc/pulse.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "proto/support/thread_name.h"

namespace treadle::rpc {

Pulse::Pulse(Calls& calls, const Clock& clock)
    : calls_(calls), clock_(clock), thread_([this] { Run(); }) {}

Pulse::~Pulse() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  news_.notify_one();
  thread_.join();
}

Pulse::Timer Pulse::After(int64_t delay_ms, absl::AnyInvocable<void()> callback) {
  Timer timer;
  bool is_first = false;
  {
    std::lock_guard lock(mutex_);
    timer = {clock_.NowMs() + delay_ms, ++last_number_};
    is_first = timers_.emplace(timer, std::move(callback)).first == timers_.begin();
  }
  if (is_first) news_.notify_one();
  return timer;
}

void Pulse::AtBeat(absl::AnyInvocable<void()> callback) {
  std::lock_guard lock(mutex_);
  at_beat_.push_back(std::move(callback));
}

void Pulse::Cancel(const Timer& timer) {
  absl::AnyInvocable<void()> callback;  // destroyed without the lock
  std::lock_guard lock(mutex_);
  const auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  callback = std::move(found->second);
  timers_.erase(found);
}

size_t Pulse::timers() const {
  std::lock_guard lock(mutex_);
  return timers_.size();
}

void Pulse::Run() {
  NameThread("pulse");
  int64_t next_beat_ms = clock_.NowMs() + Calls::kBeatMs;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    int64_t now_ms = clock_.NowMs();
    while (!timers_.empty() && timers_.begin()->first.first <= now_ms && !stopping_) {
      auto callback = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      lock.unlock();
      callback();
      callback = nullptr;
      lock.lock();
    }
    if (now_ms >= next_beat_ms) {
      std::vector<absl::AnyInvocable<void()>> callbacks = std::exchange(at_beat_, {});
      lock.unlock();
      for (auto& callback : callbacks) callback();
      callbacks.clear();
      for (const auto& call : calls_.Beating()) call->Beat(now_ms);
      waker_.Beat(std::chrono::steady_clock::now());
      lock.lock();
      now_ms = clock_.NowMs();
      next_beat_ms = now_ms + Calls::kBeatMs;
    }
    int64_t until_ms = next_beat_ms;
    if (!timers_.empty()) until_ms = std::min(until_ms, timers_.begin()->first.first);
    if (stopping_ || until_ms <= now_ms) continue;
    news_.wait_for(lock, std::chrono::milliseconds(until_ms - now_ms));
  }
}

}  // namespace treadle::rpc
