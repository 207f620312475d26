#include "server/rpc/pulse.h"

#include <algorithm>
#include <chrono>
#include <utility>

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

void Pulse::After(int64_t delay_ms, absl::AnyInvocable<void()> callback) {
  {
    std::lock_guard lock(mutex_);
    timers_.push(Timer{clock_.NowMs() + delay_ms, std::move(callback)});
  }
  news_.notify_one();
}

void Pulse::Run() {
  int64_t next_beat_ms = clock_.NowMs() + kBeatMs;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    int64_t now_ms = clock_.NowMs();
    while (!timers_.empty() && timers_.top().at_ms <= now_ms && !stopping_) {
      auto callback = std::move(timers_.top().callback);
      timers_.pop();
      lock.unlock();
      callback();
      callback = nullptr;
      lock.lock();
    }
    if (now_ms >= next_beat_ms) {
      lock.unlock();
      for (const auto& stream : calls_.Streams()) stream->Beat(now_ms);
      lock.lock();
      now_ms = clock_.NowMs();
      next_beat_ms = now_ms + kBeatMs;
    }
    int64_t until_ms = next_beat_ms;
    if (!timers_.empty()) until_ms = std::min(until_ms, timers_.top().at_ms);
    if (stopping_ || until_ms <= now_ms) continue;
    news_.wait_for(lock, std::chrono::milliseconds(until_ms - now_ms));
  }
}

}  // namespace treadle::rpc
