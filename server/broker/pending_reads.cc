#include "server/broker/pending_reads.h"

#include <utility>

namespace treadle::broker {

void PendingReads::Add(engine::CallId call, Read read) {
  std::deque<Read>& asked = asked_[call];
  if (asked.empty()) order_.push_back(call);
  asked.push_back(std::move(read));
  ++size_;
}

std::optional<PendingReads::Read> PendingReads::Next() {
  while (!order_.empty()) {
    const engine::CallId call = order_.front();
    order_.pop_front();
    const auto found = asked_.find(call);
    if (found == asked_.end()) continue;  // it has closed
    std::deque<Read>& asked = found->second;
    Read read = std::move(asked.front());
    asked.pop_front();
    --size_;
    if (asked.empty()) {
      asked_.erase(found);
    } else {
      order_.push_back(call);
    }
    return read;
  }
  return std::nullopt;
}

void PendingReads::CallClosed(engine::CallId call) {
  const auto found = asked_.find(call);
  if (found == asked_.end()) return;
  size_ -= static_cast<int64_t>(found->second.size());
  asked_.erase(found);
}

}  // namespace treadle::broker
