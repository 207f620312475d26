#include "server/broker/held_requests.h"

#include <utility>

#include "server/broker/inbox.h"
#include "server/broker/row_key.h"

namespace treadle::broker {

void HeldRequests::Hold(engine::CallId call, Request request, std::shared_ptr<KeyLookup> lookup) {
  const int64_t bytes = BytesOf(request);
  bytes_ += bytes;
  calls_[call].push_back(Held{std::move(request), std::move(lookup), bytes});
}

HeldRequests::Held* HeldRequests::Next(engine::CallId call) {
  const auto found = calls_.find(call);
  return found == calls_.end() ? nullptr : &found->second.front();
}

void HeldRequests::Pop(engine::CallId call) {
  const auto found = calls_.find(call);
  const Held held = std::move(found->second.front());
  found->second.pop_front();
  if (found->second.empty()) calls_.erase(found);
  bytes_ -= held.bytes;
  if (held.lookup != nullptr && held.lookup.use_count() == 1) {
    lookups_.erase(RequestKeyRowKey(held.lookup->queue, held.lookup->key));
  }
}

std::vector<engine::CallId> HeldRequests::Calls() const {
  std::vector<engine::CallId> calls;
  for (const auto& [call, held] : calls_) calls.push_back(call);
  return calls;
}

std::shared_ptr<KeyLookup> HeldRequests::Lookup(std::string_view queue, std::string_view key) {
  std::weak_ptr<KeyLookup>& known = lookups_[RequestKeyRowKey(queue, key)];
  std::shared_ptr<KeyLookup> lookup = known.lock();
  if (lookup != nullptr) return lookup;
  lookup = std::make_shared<KeyLookup>(KeyLookup{std::string(queue), std::string(key)});
  known = lookup;
  new_.push_back(lookup);
  return lookup;
}

std::vector<std::shared_ptr<KeyLookup>> HeldRequests::TakeNew() { return std::exchange(new_, {}); }

void HeldRequests::Found(KeyLookup& lookup, std::optional<engine::KeyRow> row) {
  if (lookup.done) return;
  lookup.row = std::move(row);
  lookup.done = true;
}

void HeldRequests::Written(const engine::KeyRow& row) {
  if (lookups_.empty()) return;
  const auto found = lookups_.find(RequestKeyRowKey(row.queue, row.key));
  if (found == lookups_.end()) return;
  if (const std::shared_ptr<KeyLookup> lookup = found->second.lock()) {
    lookup->row = row;
    lookup->done = true;
  }
}

}  // namespace treadle::broker
