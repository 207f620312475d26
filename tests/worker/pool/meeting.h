#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "tests/worker/pool/recording_events.h"

namespace treadle::worker {

// A door that handlers wait at until the test opens it.
class Door {
 public:
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Waits until it is open. False: not in time.
  bool Pass() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kGenerous, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

// Where several handlers must be at the same time.
class Meeting {
 public:
  explicit Meeting(int people) : people_(people) {}
  // True: all came.
  bool Attend() {
    std::unique_lock lock(mutex_);
    ++present_;
    changed_.notify_all();
    return changed_.wait_for(lock, kGenerous, [this] { return present_ >= people_; });
  }

 private:
  const int people_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int present_ = 0;
};

}  // namespace treadle::worker
