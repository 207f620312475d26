#include "server/broker/read_ahead.h"

#include <utility>

#include "server/broker/body.h"

namespace treadle::broker {

BodyPart ReadAhead::Take(TaskId row, uint32_t tasks, bool& more) {
  if (!marks_.empty() && marks_.erase(row) > 0) more = true;
  BodyPart part = read_.size() > 0 ? read_.Take(row, tasks) : BodyPart();
  // Whoever wants it now reads it for himself: it is not worth waiting for.
  if (part.body == nullptr && !under_way_.empty()) under_way_.erase(row);
  return part;
}

std::vector<TaskId> ReadAhead::Choose(const std::vector<engine::ReadyTask>& next,
                                      const PayloadCache& cache) {
  std::vector<TaskId> chosen;
  int64_t bytes = 0;
  for (const engine::ReadyTask& ready : next) {
    if (!chosen.empty() && chosen.back() == ready.row) {  // in a queue's order a row's tasks follow
      under_way_[ready.row] += ready.tasks;
      continue;
    }
    if (cache.Has(ready.row) || read_.Has(ready.row) || under_way_.contains(ready.row)) continue;
    bytes += static_cast<int64_t>(ready.payload_bytes);
    if (bytes > kBytesMax && !chosen.empty()) break;
    chosen.push_back(ready.row);
    under_way_.emplace(ready.row, ready.tasks);
  }
  if (!chosen.empty()) marks_.insert(chosen[chosen.size() / 2]);
  return chosen;
}

void ReadAhead::Found(TaskId row, BodyPtr body) {
  // Not under way any more: the tasks were given out, or have ended, before this came.
  const auto found = under_way_.find(row);
  if (found == under_way_.end()) return;
  const uint32_t tasks = found->second;
  under_way_.erase(found);
  if (body != nullptr) read_.Put(row, AllOf(std::move(body)), tasks);
}

void ReadAhead::Drop(TaskId row) {
  if (!under_way_.empty()) under_way_.erase(row);
  if (!marks_.empty()) marks_.erase(row);
  if (read_.size() > 0) read_.Drop(row);
}

}  // namespace treadle::broker
