#include "server/broker/payload_cache.h"

#include <utility>

#include "proto/support/assert.h"
#include "server/broker/body.h"

namespace treadle::broker {
namespace {

// Of one body that is alone on its page of the map, and in both lists, roughly.
constexpr int64_t kOverheadBytes = 256;
// Of what was taken from between others, so that it stands in the order still.
constexpr size_t kGoneMin = 1'024;
constexpr int64_t kPassedOverMax = 1'024;

}  // namespace

void PayloadCache::Put(TaskId task, BodyPtr body) {
  TREADLE_ASSERT(kept_.Find(task) == nullptr);
  const int64_t bytes = BytesOf(*body) + kOverheadBytes;
  if (bytes > bytes_max_) return;
  if (bytes_ + bytes > bytes_max_ && passed_over_ < kPassedOverMax) return;
  while (bytes_ + bytes > bytes_max_) {
    Remove(order_.front());
    DropFront();
  }
  if (kept_.empty()) passed_over_ = 0;
  kept_.Insert(task, Kept{std::move(body), bytes});
  order_.push_back(task);
  bytes_ += bytes;
}

BodyPtr PayloadCache::Take(TaskId task) {
  if (!order_.empty() && order_.front() == task) {
    passed_over_ = 0;
  } else {
    ++passed_over_;
  }
  return Remove(task);
}

BodyPtr PayloadCache::Remove(TaskId task) {
  Kept kept = kept_.Remove(task);
  if (!kept) return nullptr;
  bytes_ -= kept.bytes;
  DropFront();
  if (order_.size() > 2 * kept_.size() + kGoneMin) {
    std::erase_if(order_, [this](TaskId id) { return kept_.Find(id) == nullptr; });
  }
  return std::move(kept.body);
}

void PayloadCache::DropFront() {
  while (!order_.empty() && kept_.Find(order_.front()) == nullptr) order_.pop_front();
}

}  // namespace treadle::broker
