#include "worker/session/stop_clock.h"

#include <system_error>

#include "absl/strings/str_cat.h"

#include "proto/support/thread_name.h"

namespace treadle::worker {

using std::chrono::steady_clock;

StopClock::~StopClock() { Close(); }

absl::Status StopClock::Start() {
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the thread that stops attempts cannot be started: ", error.what()));
  }
  return absl::OkStatus();
}

StopClock::Key StopClock::KeyOf(const Attempt& attempt) { return {*attempt.ends_by(), &attempt}; }

void StopClock::Watch(Pool& pool, const AttemptPtr& attempt) {
  if (!attempt->ends_by()) return;
  std::lock_guard lock(mutex_);
  const auto it =
      watched_.emplace(KeyOf(*attempt), Stop{&pool, attempt, attempt->ends_by_reason()}).first;
  if (it == watched_.begin()) changed_.notify_one();
}

void StopClock::Forget(const Attempt& attempt) {
  if (!attempt.ends_by()) return;
  std::lock_guard lock(mutex_);
  watched_.erase(KeyOf(attempt));
}

void StopClock::StopNow(Pool& pool, AttemptPtr attempt, StopReason reason) {
  std::lock_guard lock(mutex_);
  due_.push_back(Stop{&pool, std::move(attempt), reason});
  changed_.notify_one();
}

void StopClock::Close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void StopClock::Run() {
  NameThread("stop-clock");
  std::unique_lock lock(mutex_);
  while (!closed_) {
    const auto now = steady_clock::now();
    while (!watched_.empty() && watched_.begin()->first.first <= now) {
      due_.push_back(std::move(watched_.begin()->second));
      watched_.erase(watched_.begin());
    }
    if (!due_.empty()) {
      const Stop stop = std::move(due_.front());
      due_.pop_front();
      lock.unlock();
      stop.pool->Stop(stop.attempt, stop.reason);
      lock.lock();
    } else if (watched_.empty()) {
      changed_.wait(lock);
    } else {
      // A copy: what it refers to may go while the wait has given up the lock.
      const auto next = watched_.begin()->first.first;
      changed_.wait_until(lock, next);
    }
  }
}

}  // namespace treadle::worker
