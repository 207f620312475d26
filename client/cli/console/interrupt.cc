#include "client/cli/console/interrupt.h"

#include <utility>

#include "proto/support/assert.h"

namespace treadle::cli {

Interrupt::Scope::Scope(Interrupt& interrupt, std::function<void()> stop) : interrupt_(interrupt) {
  std::lock_guard lock(interrupt_.mutex_);
  TREADLE_ASSERT(!interrupt_.stop_);
  interrupt_.stop_ = std::move(stop);
  if (interrupt_.signal_ != 0) interrupt_.stop_();
}

Interrupt::Scope::~Scope() {
  std::lock_guard lock(interrupt_.mutex_);
  interrupt_.stop_ = nullptr;
}

bool Interrupt::Fire(int signal) {
  std::lock_guard lock(mutex_);
  if (signal_ == 0) signal_ = signal;
  changed_.notify_all();
  if (!stop_) return false;
  stop_();
  return true;
}

int Interrupt::signal() const {
  std::lock_guard lock(mutex_);
  return signal_;
}

bool Interrupt::WaitFor(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, time, [this] { return signal_ != 0; });
}

}  // namespace treadle::cli
