#include "server/broker/broker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "proto/support/assert.h"
#include "server/broker/broker_impl.h"

namespace treadle::broker {
namespace {

// What a turn makes of its requests is to stay in a processor's cache: ten times as many cost half
// as much again for each task (tests/bench/broker_bench), ten times fewer a fifth.
constexpr size_t kTurnRequestsMax = 1'000;

}  // namespace

Broker::Impl::Impl(const BrokerOptions& options, const Clock& clock, store::Store& store,
                   Outbox& outbox)
    : options_(options),
      clock_(clock),
      store_(store),
      outbox_(outbox),
      engine_(options.engine),
      inbox_(std::make_shared<Inbox>(options.inbox_requests_max, options.inbox_bytes_max)),
      gate_(*this),
      stored_(store),
      cache_(options.payload_cache_bytes_max),
      free_space_(store, options.free_disk_bytes_min) {}

absl::StatusOr<bool> Broker::Impl::Turn() {
  const bool released = SyncsReturned();
  if (!failure_.ok()) return failure_;
  if (Overfull()) return released;

  const absl::Span<Request> requests = inbox_->Take(kTurnRequestsMax);
  now_ms_ = std::max(now_ms_, clock_.NowMs());
  if (requests.empty() && engine_.NextDeadline() > now_ms_) return released;

  RunTurn(requests);
  if (!failure_.ok()) return failure_;
  return true;
}

void Broker::Impl::RunTurn(absl::Span<Request> requests) {
  for (size_t left = kTurnRequestsMax; !requests.empty(); requests = inbox_->Take(left)) {
    for (Request& request : requests) Act(request);
    left -= requests.size();
  }
  engine_.Tick(now_ms_, turn_.effects);
  EncodeChanges();
  FreeAnswered();
  if (failure_.ok()) AppendRows();
  if (failure_.ok()) Deliver();
  if (failure_.ok()) SyncIfAwaited();
  turn_.Clear();
}

void Broker::Impl::AppendRows() {
  if (turn_.batch.empty()) return;
  const absl::StatusOr<store::Sequence> appended = store_.Append(turn_.batch);
  if (!appended.ok()) {
    failure_ = appended.status();
    return;
  }
  gate_.Appended(*appended, static_cast<int64_t>(turn_.batch.bytes()));
}

void Broker::Impl::SyncIfAwaited() {
  if (!gate_.EndTurn()) return;
  store_.RequestSync();
  SyncsReturned();  // a store without a disk answers at once
}

bool Broker::Impl::SyncsReturned() {
  const absl::StatusOr<store::Sequence> synced = inbox_->synced();
  if (!synced.ok()) {
    failure_ = synced.status();
    return false;
  }
  if (*synced <= gate_.synced()) return false;
  gate_.Synced(*synced);
  return true;
}

int64_t Broker::Impl::NextDeadline() const {
  return Overfull() ? INT64_MAX : engine_.NextDeadline();
}

absl::Status Broker::Impl::Run() {
  for (;;) {
    // Asked first: what was posted before it was closed is still done.
    const bool closed = inbox_->closed();
    const absl::StatusOr<bool> done = Turn();
    if (!done.ok()) {
      inbox_->Close();
      return done.status();
    }
    if (*done) continue;
    if (closed && !Overfull()) return SyncAll();
    const int64_t deadline_ms = NextDeadline();
    std::optional<int64_t> timeout_ms;
    if (deadline_ms != INT64_MAX) {
      timeout_ms = std::max<int64_t>(0, deadline_ms - clock_.NowMs());
    }
    inbox_->Wait(timeout_ms, gate_.synced(),
                 Overfull() ? Inbox::For::kSync : Inbox::For::kAnything);
  }
}

absl::Status Broker::Impl::SyncAll() {
  if (gate_.synced() < gate_.appended()) store_.RequestSync();
  while (gate_.synced() < gate_.appended()) {
    inbox_->Wait(std::nullopt, gate_.synced(), Inbox::For::kSync);
    SyncsReturned();
    if (!failure_.ok()) return failure_;
  }
  return absl::OkStatus();
}

TaskId Broker::Impl::NewTaskId() {
  const uint64_t session = own_session_.load(std::memory_order_relaxed);
  TREADLE_ASSERT(session != 0);
  return TaskId{session, last_task_.fetch_add(1, std::memory_order_relaxed) + 1};
}

void Broker::Impl::Gathered::Clear() {
  effects.changes.clear();
  effects.outputs.clear();
  changes_encoded = outputs_seen = 0;
  batch.Clear();
  results.clear();
  result = nullptr;
  awaits.clear();
  watches.clear();
  queries.clear();
  changed.clear();
}

Broker::Broker(const BrokerOptions& options, const Clock& clock, store::Store& store,
               Outbox& outbox)
    : impl_(std::make_unique<Impl>(options, clock, store, outbox)) {}
Broker::~Broker() = default;

absl::Status Broker::Recover(absl::AnyInvocable<void(int64_t rows)> progress) {
  return impl_->Recover(std::move(progress));
}
absl::Status Broker::Post(std::vector<Request>&& requests) {
  return impl_->inbox().Post(std::move(requests));
}
absl::Status Broker::Post(Request request) {
  std::vector<Request> one;
  one.push_back(std::move(request));
  return impl_->inbox().Post(std::move(one));
}
TaskId Broker::NewTaskId() { return impl_->NewTaskId(); }
absl::StatusOr<bool> Broker::Turn() { return impl_->Turn(); }
int64_t Broker::NextDeadline() const { return impl_->NextDeadline(); }
absl::Status Broker::Run() { return impl_->Run(); }
void Broker::Stop() { impl_->inbox().Close(); }
const engine::Engine& Broker::engine() const { return impl_->engine(); }

}  // namespace treadle::broker
