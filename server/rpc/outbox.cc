#include "server/rpc/outbox.h"

#include <exception>
#include <utility>
#include <variant>

#include "proto/support/thread_name.h"
#include "server/broker/body.h"

namespace treadle::rpc {

CallOutbox::CallOutbox(Calls& calls) : calls_(calls), thread_([this] { Run(); }) {}

CallOutbox::~CallOutbox() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  news_.notify_one();
  thread_.join();
}

void CallOutbox::Release(std::vector<broker::Delivery> deliveries) {
  bool wake = false;
  int64_t bytes = 0;
  for (const broker::Delivery& delivery : deliveries) bytes += broker::BytesOf(delivery);
  waiting_bytes_ += bytes;
  {
    std::lock_guard lock(mutex_);
    released_.push_back(std::move(deliveries));
    wake = !busy_;
  }
  if (wake) news_.notify_one();
}

void CallOutbox::Post(broker::Answer call) {
  std::vector<broker::Delivery> deliveries;
  deliveries.emplace_back(std::move(call));
  Release(std::move(deliveries));
}

void CallOutbox::Drain() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return released_.empty() && !busy_; });
}

void CallOutbox::Run() {
  NameThread("outbox");
  std::vector<std::vector<broker::Delivery>> batches;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      busy_ = false;
      if (released_.empty()) idle_.notify_all();
      news_.wait(lock, [this] { return !released_.empty() || stopping_; });
      if (released_.empty()) return;
      busy_ = true;
      batches.swap(released_);
    }
    int64_t bytes = 0;
    for (std::vector<broker::Delivery>& batch : batches) {
      for (broker::Delivery& delivery : batch) {
        bytes += broker::BytesOf(delivery);
        Deliver(delivery);
      }
    }
    FlushTouched();
    batches.clear();
    // Decided by what the sum was: the broker may add to it, and see that it is full, meanwhile.
    const int64_t before = waiting_bytes_.fetch_sub(bytes);
    if (IsFull(before) && !IsFull(before - bytes)) on_room_();
  }
}

void CallOutbox::Deliver(broker::Delivery& delivery) {
  try {
    if (auto* answer = std::get_if<broker::Answer>(&delivery)) {
      if (*answer) (*answer)();
      return;
    }
    const engine::CallId id = broker::CallOf(delivery);
    if (current_ == nullptr || current_->id() != id) {
      current_ = calls_.Find(id);
      if (current_ != nullptr) touched_.push_back(current_);
    }
    if (current_ != nullptr) {
      current_->Deliver(delivery);
    } else if (const auto* leased = std::get_if<broker::Leased>(&delivery)) {
      hand_back_(*leased);
    }
  } catch (const std::exception& error) {
    absl::Status status = Unexpected(error);
    if (current_ != nullptr) current_->End(std::move(status));
  }
}

void CallOutbox::FlushTouched() {
  current_ = nullptr;
  for (const std::shared_ptr<Call>& call : touched_) {
    try {
      call->Flush();
    } catch (const std::exception& error) {
      call->End(Unexpected(error));
    }
  }
  touched_.clear();
}

}  // namespace treadle::rpc
