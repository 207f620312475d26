#include "server/rpc/handler_table.h"

#include <utility>

namespace treadle::rpc {
namespace {

// Calls are numbered as they come, whatever their connections are.
uint64_t Number(engine::CallId call) {
  return static_cast<uint64_t>(call) & ((uint64_t{1} << engine::kCallNumberBits) - 1);
}

}  // namespace

void HandlerTable::Put(const std::string& worker_id, engine::CallId call, Handlers handlers) {
  auto shared = std::make_shared<const Handlers>(std::move(handlers));
  std::lock_guard lock(mutex_);
  Told& told = by_worker_[worker_id];
  if (Number(told.call) > Number(call)) return;
  told.call = call;
  told.handlers = std::move(shared);
}

void HandlerTable::Drop(const std::string& worker_id, engine::CallId call) {
  std::lock_guard lock(mutex_);
  const auto it = by_worker_.find(worker_id);
  if (it != by_worker_.end() && it->second.call == call) by_worker_.erase(it);
}

void HandlerTable::Write(const std::string& worker_id, v1::Worker& out) const {
  std::shared_ptr<const Handlers> handlers;
  {
    std::lock_guard lock(mutex_);
    const auto it = by_worker_.find(worker_id);
    if (it == by_worker_.end()) return;
    handlers = it->second.handlers;
  }
  *out.mutable_handlers() = *handlers;
}

}  // namespace treadle::rpc
