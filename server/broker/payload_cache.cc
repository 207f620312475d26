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

void PayloadCache::Put(TaskId row, BodyPart part, uint32_t tasks) {
  TREADLE_ASSERT(kept_.Find(row) == nullptr);
  const int64_t bytes = BytesOf(part) + kOverheadBytes;
  if (bytes > bytes_max_) return;
  if (bytes_ + bytes > bytes_max_ && passed_over_ < kPassedOverMax) return;
  while (bytes_ + bytes > bytes_max_) {
    Remove(order_.front());
    DropFront();
  }
  if (kept_.empty()) passed_over_ = 0;
  kept_.Insert(row, Kept{std::move(part), bytes, tasks});
  order_.push_back(row);
  bytes_ += bytes;
}

BodyPart PayloadCache::Take(TaskId row, uint32_t tasks) {
  if (!order_.empty() && order_.front() == row) {
    passed_over_ = 0;
  } else {
    ++passed_over_;
  }
  Kept* const kept = kept_.Find(row);
  if (kept == nullptr) return {};
  BodyPart part = kept->part;
  kept->left -= std::min(kept->left, tasks);
  if (kept->left == 0) Remove(row);
  return part;
}

void PayloadCache::Drop(TaskId row) {
  if (kept_.Find(row) != nullptr) Remove(row);
}

void PayloadCache::Remove(TaskId row) {
  bytes_ -= kept_.Remove(row).bytes;
  DropFront();
  if (order_.size() > 2 * kept_.size() + kGoneMin) {
    std::erase_if(order_, [this](TaskId id) { return kept_.Find(id) == nullptr; });
  }
}

void PayloadCache::DropFront() {
  while (!order_.empty() && kept_.Find(order_.front()) == nullptr) order_.pop_front();
}

}  // namespace treadle::broker
