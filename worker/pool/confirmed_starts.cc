#include "worker/pool/confirmed_starts.h"

#include <system_error>
#include <utility>

#include "proto/support/thread_name.h"

namespace treadle::worker {

ConfirmedStarts::ConfirmedStarts(std::shared_ptr<AttemptEvents> events, Begun begun)
    : events_(std::move(events)), begun_(std::move(begun)) {}

ConfirmedStarts::~ConfirmedStarts() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ConfirmedStarts::Begin(AttemptPtr attempt) {
  {
    std::lock_guard lock(mutex_);
    if (Started()) {
      waiting_.push_back(std::move(attempt));
      changed_.notify_one();
      return;
    }
  }
  events_->Warn("the thread that confirms starts cannot be started: their tasks are handed back");
  begun_(attempt, false);
}

bool ConfirmedStarts::Started() {
  try {
    if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

void ConfirmedStarts::Run() {
  NameThread("starts");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const AttemptPtr attempt = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const bool begun = events_->Begin(attempt);
    begun_(attempt, begun);
    lock.lock();
  }
}

}  // namespace treadle::worker
