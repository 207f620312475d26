#include "client/cli/interrupt.h"

#include <utility>

#include "proto/support/assert.h"

namespace treadle::cli {

Interrupt::Scope::Scope(Interrupt& interrupt, std::function<void()> stop) : interrupt_(interrupt) {
  std::lock_guard lock(interrupt_.mutex_);
  TREADLE_ASSERT(!interrupt_.stop_);
  interrupt_.stop_ = std::move(stop);
  if (interrupt_.fired_) interrupt_.stop_();
}

Interrupt::Scope::~Scope() {
  std::lock_guard lock(interrupt_.mutex_);
  interrupt_.stop_ = nullptr;
}

bool Interrupt::Fire() {
  std::lock_guard lock(mutex_);
  fired_ = true;
  changed_.notify_all();
  if (!stop_) return false;
  stop_();
  return true;
}

bool Interrupt::fired() const {
  std::lock_guard lock(mutex_);
  return fired_;
}

bool Interrupt::WaitFor(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return fired_; });
}

}  // namespace treadle::cli
