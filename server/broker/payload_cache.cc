#include "server/broker/payload_cache.h"

#include <utility>

#include "server/broker/body.h"

namespace treadle::broker {

void PayloadCache::Put(TaskId task, BodyPtr body) {
  const auto found = slots_.find(task);
  if (found != slots_.end()) {
    Remove(found->second);
    slots_.erase(found);
  }
  const int64_t bytes = BytesOf(*body) + static_cast<int64_t>(sizeof(Entry));
  if (bytes > bytes_max_) return;
  while (bytes_ + bytes > bytes_max_) {
    slots_.erase(entries_[oldest_].task);
    Remove(oldest_);
  }
  uint32_t slot = free_;
  if (slot == kNone) {
    slot = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    free_ = entries_[slot].newer;
  }
  entries_[slot] = Entry{task, std::move(body), bytes, newest_, kNone};
  (newest_ == kNone ? oldest_ : entries_[newest_].newer) = slot;
  newest_ = slot;
  slots_.emplace(task, slot);
  bytes_ += bytes;
}

BodyPtr PayloadCache::Take(TaskId task) {
  const auto found = slots_.find(task);
  if (found == slots_.end()) return nullptr;
  BodyPtr body = Remove(found->second);
  slots_.erase(found);
  return body;
}

BodyPtr PayloadCache::Remove(uint32_t slot) {
  Entry& entry = entries_[slot];
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = entry.newer;
  (entry.newer == kNone ? newest_ : entries_[entry.newer].older) = entry.older;
  bytes_ -= entry.bytes;
  entry.newer = std::exchange(free_, slot);
  return std::move(entry.body);
}

}  // namespace treadle::broker
