#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

#include "server/broker/body.h"
#include "server/broker/broker_impl.h"

// What waits for the store to be read: submits for what it knows of their request keys, leases for
// their payloads.

namespace treadle::broker {
namespace {

// Of one read. What is more urgent waits for no more than that.
constexpr size_t kPayloadsAtOnce = 512;

engine::Submit* SubmitWithKey(Action& action) {
  auto* command = std::get_if<engine::Command>(&action);
  auto* submit = command == nullptr ? nullptr : std::get_if<engine::Submit>(command);
  return submit == nullptr || submit->spec.request_key.empty() ? nullptr : submit;
}

}  // namespace

// True: the request waits, for what the store knows of its key, or behind what its call asked for
// before.
bool Broker::Impl::HoldBack(Request& request) {
  const engine::Submit* const submit = SubmitWithKey(request.action);
  const engine::CallId call = CallOf(request.action);
  std::shared_ptr<KeyLookup> lookup;
  if (submit != nullptr && engine_.NeedsKeyLookup(submit->spec.queue, submit->spec.request_key)) {
    lookup = held_.Lookup(submit->spec.queue, submit->spec.request_key);
    keys_found_ = keys_found_ || lookup->done;  // for others, whose turn has not come yet
  } else if (!held_.Holds(call)) {
    return false;
  }
  held_.Hold(call, std::move(request), std::move(lookup));
  return true;
}

void Broker::Impl::GoOn() {
  if (std::exchange(keys_found_, false)) {
    go_on_ = held_.Calls();
    std::reverse(go_on_.begin(), go_on_.end());
  }
  while (!go_on_.empty() && GoOn(go_on_.back())) go_on_.pop_back();
}

// The call's requests happen, up to the next that must wait. False: the turn has no room for more.
bool Broker::Impl::GoOn(engine::CallId call) {
  while (HeldRequests::Held* const held = failure_.ok() ? held_.Next(call) : nullptr) {
    engine::Submit* const submit = SubmitWithKey(held->request.action);
    if (submit != nullptr && engine_.NeedsKeyLookup(submit->spec.queue, submit->spec.request_key)) {
      if (held->lookup == nullptr) {
        held->lookup = held_.Lookup(submit->spec.queue, submit->spec.request_key);
      }
      if (!held->lookup->done) return true;
      submit->known_key = held->lookup->row;
    }
    Request request = std::move(held->request);
    held_.Pop(call);
    if (request.body != nullptr) turn_bytes_ += BytesOf(*request.body);
    ActNow(request);
    if (TurnIsFull()) return false;
  }
  return true;
}

void Broker::Impl::ReadKeys() {
  std::vector<std::shared_ptr<KeyLookup>> lookups = held_.TakeNew();
  if (lookups.empty()) return;
  std::vector<std::pair<std::string, std::string>> keys;
  keys.reserve(lookups.size());
  for (const auto& lookup : lookups) keys.emplace_back(lookup->queue, lookup->key);
  store_reads_.Work([this, keys = std::move(keys),
                     lookups = std::move(lookups)](StoredTasks& stored) mutable -> Reads::Then {
    std::vector<std::optional<engine::KeyRow>> rows;
    rows.reserve(keys.size());
    for (const auto& [queue, key] : keys) rows.push_back(stored.RequestKey(queue, key));
    return [this, rows = std::move(rows), lookups = std::move(lookups)]() mutable {
      for (size_t i = 0; i < rows.size(); ++i) {
        HeldRequests::Found(*lookups[i], std::move(rows[i]));
      }
      keys_found_ = true;
    };
  });
}

void Broker::Impl::ReadMissing() {
  const absl::Span<const LateLeases::Missing> missing = turn_.missing;
  for (size_t first = 0; first < missing.size(); first += kPayloadsAtOnce) {
    const auto some = missing.subspan(first, kPayloadsAtOnce);
    store_reads_.Work([this, some = std::vector(some.begin(), some.end())](
                          StoredTasks& stored) mutable -> Reads::Then {
      std::vector<TaskId> rows;
      rows.reserve(some.size());
      for (const LateLeases::Missing& one : some) rows.push_back(one.row);
      return [this, some = std::move(some), bodies = stored.Payloads(rows)]() mutable {
        FoundMissing(some, std::move(bodies));
      };
    });
  }
}

void Broker::Impl::FoundMissing(const std::vector<LateLeases::Missing>& missing,
                                std::vector<BodyPtr> bodies) {
  for (size_t i = 0; i < missing.size(); ++i) {
    const LateLeases::Missing& one = missing[i];
    // Where it has another row by now, the lease is over.
    if (bodies[i] == nullptr && engine_.RowOf(one.task) == one.row) {
      failure_ = absl::DataLossError(absl::StrCat(
          "task ", one.task.ToString(), " is unfinished, but the store has no row of it"));
      return;
    }
    if (const auto credit = late_.Found(one, std::move(bodies[i]))) {
      // The lease ended before its holder heard of it: what it was lent with is free again.
      Step(engine::AddCredit{one.call, credit->pool, credit->tasks});
    }
  }
  std::vector<LateLeases::Say> ready;
  for (const LateLeases::Missing& one : missing) late_.Take(one.call, ready);
  for (auto& [after, delivery] : ready) {
    if (auto* leased = std::get_if<Leased>(&delivery)) {
      leased->now_ms = now_ms_;
      Trace(*leased);
    }
    gate_.Say(after, std::move(delivery));
  }
}

// The payloads that come next, where some of this turn's were not in memory or had been read ahead.
void Broker::Impl::ReadMoreAhead() {
  for (const auto& [queue, type] : turn_.read_on) {
    std::vector<TaskId> rows =
        ahead_.Choose(engine_.NextReady(*queue, *type, ReadAhead::kTasksMax), cache_);
    if (rows.empty()) continue;
    store_reads_.Work([this, rows = std::move(rows)](StoredTasks& stored) mutable -> Reads::Then {
      std::vector<BodyPtr> bodies = stored.Payloads(rows);
      return [this, rows = std::move(rows), bodies = std::move(bodies)]() mutable {
        for (size_t i = 0; i < rows.size(); ++i) ahead_.Found(rows[i], std::move(bodies[i]));
      };
    });
  }
}

}  // namespace treadle::broker
