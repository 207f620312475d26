#include "server/broker/payload_cache.h"

#include <algorithm>
#include <utility>

#include "server/broker/body.h"

namespace treadle::broker {
namespace {

// Of one body in both of the cache's lists, roughly.
constexpr int64_t kOverheadBytes = 64;
constexpr size_t kPassedOverMin = 1'024;

}  // namespace

void PayloadCache::Put(TaskId task, BodyPtr body) {
  if (Take(task) != nullptr) std::erase(order_, task);
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
