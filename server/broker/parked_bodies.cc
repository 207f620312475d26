#include "server/broker/parked_bodies.h"

#include <utility>

#include "server/broker/body.h"

namespace treadle::broker {

void ParkedBodies::Park(engine::CallId call, uint64_t item, TaskId task, BodyPtr body) {
  if (BodyPtr first = Remove(task); first != nullptr) body = std::move(first);
  bytes_ += BytesOf(*body);
  calls_[call][item] = task;
  tasks_[task] = Parked{call, item, std::move(body)};
}

void ParkedBodies::Adopt(uint64_t session, engine::CallId call) {
  for (auto at = tasks_.lower_bound(TaskId{session, 0});
       at != tasks_.end() && at->first.session == session; ++at) {
    auto& [task, parked] = *at;
    if (parked.call == call) continue;
    const auto older = calls_.find(parked.call);
    older->second.erase(parked.item);
    if (older->second.empty()) calls_.erase(older);
    parked.call = call;
    calls_[call][parked.item] = task;
  }
}

BodyPtr ParkedBodies::Take(TaskId task) { return tasks_.empty() ? nullptr : Remove(task); }

void ParkedBodies::Answered(engine::CallId call, uint64_t item) {
  const auto parked = calls_.find(call);
  if (parked == calls_.end()) return;
  const auto found = parked->second.find(item);
  if (found != parked->second.end()) Remove(found->second);
}

void ParkedBodies::CallClosed(engine::CallId call) {
  const auto parked = calls_.find(call);
  if (parked == calls_.end()) return;
  const auto items = std::move(parked->second);
  calls_.erase(parked);
  for (const auto& [item, task] : items) Remove(task);
}

BodyPtr ParkedBodies::Remove(TaskId task) {
  const auto found = tasks_.find(task);
  if (found == tasks_.end()) return nullptr;
  Parked parked = std::move(found->second);
  tasks_.erase(found);
  bytes_ -= BytesOf(*parked.body);
  const auto call = calls_.find(parked.call);
  if (call != calls_.end()) {
    call->second.erase(parked.item);
    if (call->second.empty()) calls_.erase(call);
  }
  return std::move(parked.body);
}

}  // namespace treadle::broker
