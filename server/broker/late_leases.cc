#include "server/broker/late_leases.h"

#include <algorithm>
#include <variant>

#include "proto/support/assert.h"
#include "server/broker/body.h"

namespace treadle::broker {

bool LateLeases::PutBehind(engine::CallId call, engine::Durability after, Delivery& delivery) {
  if (calls_.empty()) return false;
  const auto found = calls_.find(call);
  if (found == calls_.end()) return false;
  found->second.push_back(Late{++last_number_, after, std::move(delivery)});
  return true;
}

void LateLeases::Put(engine::Durability after, Leased leased, std::vector<Missing>& missing) {
  const size_t before = missing.size();
  const engine::CallId call = leased.call;
  ++last_number_;
  for (size_t i = 0; i < leased.runs.size(); ++i) {
    const LeasedRun& run = leased.runs[i];
    if (run.payload.body != nullptr) continue;
    missing.push_back(Missing{call, last_number_, i, run.lease.task, run.lease.row});
  }
  TREADLE_ASSERT(missing.size() > before);
  calls_[call].push_back(Late{last_number_, after, std::move(leased), missing.size() - before});
}

std::optional<LateLeases::Credit> LateLeases::Found(const Missing& missing, BodyPtr body) {
  const auto found = calls_.find(missing.call);
  if (found == calls_.end()) return std::nullopt;  // the call is over
  const auto late =
      std::lower_bound(found->second.begin(), found->second.end(), missing.number,
                       [](const Late& one, uint64_t number) { return one.number < number; });
  TREADLE_ASSERT(late != found->second.end() && late->number == missing.number);
  LeasedRun& leased = std::get<Leased>(late->delivery).runs[missing.index];
  --late->missing;
  if (body == nullptr) return Credit{leased.lease.pool, static_cast<int32_t>(leased.lease.tasks)};
  leased.payload = PayloadOf(leased.lease, AllOf(std::move(body)));
  return std::nullopt;
}

void LateLeases::Take(engine::CallId call, std::vector<Say>& ready) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;
  std::deque<Late>& late = found->second;
  for (; !late.empty() && late.front().missing == 0; late.pop_front()) {
    if (auto* leased = std::get_if<Leased>(&late.front().delivery)) {
      std::erase_if(leased->runs, [](const LeasedRun& run) { return run.payload.body == nullptr; });
    }
    ready.emplace_back(late.front().after, std::move(late.front().delivery));
  }
  if (late.empty()) calls_.erase(found);
}

}  // namespace treadle::broker
