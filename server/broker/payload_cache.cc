#include "server/broker/payload_cache.h"

#include <algorithm>
#include <utility>

#include "proto/support/assert.h"
#include "server/broker/body.h"

namespace treadle::broker {
namespace {

// Of one body that is alone on its page of the map, and in both lists, roughly.
constexpr int64_t kOverheadBytes = 256;
constexpr size_t kPassedOverMin = 1'024;

}  // namespace

void PayloadCache::Put(TaskId task, BodyPtr body) {
  TREADLE_ASSERT(kept_.Find(task) == nullptr);
  const int64_t bytes = BytesOf(*body) + kOverheadBytes;
  if (bytes > bytes_max_) return;
  while (bytes_ + bytes > bytes_max_) {
    const TaskId oldest = order_.front();
    order_.pop_front();
    Take(oldest);
  }
  kept_.Insert(task, Kept{std::move(body), bytes});
  order_.push_back(task);
  bytes_ += bytes;
}

BodyPtr PayloadCache::Take(TaskId task) {
  Kept kept = kept_.Remove(task);
  if (!kept) return nullptr;
  bytes_ -= kept.bytes;
  if (order_.size() > 2 * kept_.size() + kPassedOverMin) {
    std::erase_if(order_, [this](TaskId id) { return kept_.Find(id) == nullptr; });
  }
  return std::move(kept.body);
}

}  // namespace treadle::broker
