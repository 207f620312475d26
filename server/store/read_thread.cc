#include "server/store/read_thread.h"

#include <utility>

#include "proto/support/thread_name.h"

namespace treadle::store {

ReadThread::ReadThread(BusyTime& busy) : busy_(busy), thread_([this] { Run(); }) {}

ReadThread::~ReadThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ReadThread::Add(bool urgent, absl::AnyInvocable<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    (urgent ? urgent_ : others_).push_back(std::move(call));
  }
  changed_.notify_one();
}

void ReadThread::Run() {
  NameThread("store-reads");
  for (;;) {
    absl::AnyInvocable<void()> call;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !urgent_.empty() || !others_.empty(); });
      if (stopping_) return;
      auto& next = urgent_.empty() ? others_ : urgent_;
      call = std::move(next.front());
      next.pop_front();
    }
    const BusyTime::Span busy(busy_);
    call();
  }
}

}  // namespace treadle::store
