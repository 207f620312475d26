#include "server/broker/read_ahead.h"

#include <utility>

namespace treadle::broker {

BodyPtr ReadAhead::Take(TaskId task, bool& more) {
  if (!marks_.empty() && marks_.erase(task) > 0) more = true;
  BodyPtr body = read_.size() > 0 ? read_.Take(task) : nullptr;
  // Whoever wants it now reads it for himself: it is not worth waiting for.
  if (body == nullptr && !under_way_.empty()) under_way_.erase(task);
  return body;
}

std::vector<TaskId> ReadAhead::Choose(const std::vector<engine::ReadyTask>& next,
                                      const PayloadCache& cache) {
  std::vector<TaskId> chosen;
  int64_t bytes = 0;
  for (const engine::ReadyTask& task : next) {
    if (cache.Has(task.id) || read_.Has(task.id) || under_way_.contains(task.id)) continue;
    bytes += static_cast<int64_t>(task.payload_bytes);
    if (bytes > kBytesMax && !chosen.empty()) break;
    chosen.push_back(task.id);
  }
  under_way_.insert(chosen.begin(), chosen.end());
  if (!chosen.empty()) marks_.insert(chosen[chosen.size() / 2]);
  return chosen;
}

void ReadAhead::Found(TaskId task, BodyPtr body) {
  // Not under way any more: the task was given out, or has ended, before this came.
  if (under_way_.erase(task) > 0 && body != nullptr) read_.Put(task, std::move(body));
}

void ReadAhead::Drop(TaskId task) {
  if (!under_way_.empty()) under_way_.erase(task);
  if (!marks_.empty()) marks_.erase(task);
  if (read_.size() > 0) read_.Take(task);
}

}  // namespace treadle::broker
