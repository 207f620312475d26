#include "server/broker/broker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "proto/support/assert.h"
#include "server/broker/body.h"
#include "server/broker/broker_impl.h"

namespace treadle::broker {
namespace {

// Between two looks at the clock.
constexpr int64_t kTakeAtOnce = 64;
// The clients' share of a turn that workers fill.
constexpr int64_t kClientsShare = 4;

}  // namespace

Broker::Impl::Impl(const BrokerOptions& options, const Clock& clock, store::Store& store,
                   Outbox& outbox)
    : options_(options),
      clock_(clock),
      store_(store),
      outbox_(outbox),
      engine_(options.engine),
      inbox_(std::make_shared<Inbox>(clock, options.inbox_requests_max, options.inbox_bytes_max)),
      gate_(*this),
      stored_(store),
      cache_(options.payload_cache_bytes_max),
      free_space_(store, options.free_disk_bytes_min) {}

absl::StatusOr<bool> Broker::Impl::Turn() {
  const bool released = SyncsReturned();
  if (!failure_.ok()) return failure_;
  Listen();
  const LaneSet lanes = LanesToTake();
  const bool idle =
      !BeginTurn(lanes) && reads_.empty() && (Brimful() || engine_.NextDeadline() > now_ms_);
  if (idle) return released;

  TakeRequests(lanes);
  FinishTurn();
  if (!failure_.ok()) return failure_;
  return true;
}

LaneSet Broker::Impl::LanesToTake() const {
  LaneSet lanes = kAllLanes;
  lanes.set(static_cast<size_t>(Lane::kWorkers), !Brimful());
  const bool room = reads_.size() < options_.pending_reads_max;
  lanes.set(static_cast<size_t>(Lane::kQuestions), room);
  lanes.set(static_cast<size_t>(Lane::kClients), room && !Overfull());
  return lanes;
}

// What passes between two turns beyond the time that Run waits at most, and half as much again for
// a busy machine, passes for no lease: nobody listened, or what was heard could not be stepped.
void Broker::Impl::Listen() {
  const int64_t now_ms = std::max(now_ms_, clock_.NowMs());
  const int64_t deaf_ms = now_ms - now_ms_ - options_.listen_ms * 3 / 2;
  if (deaf_ms > 0) engine_.AddDeafTime(deaf_ms);
  now_ms_ = now_ms;
}

bool Broker::Impl::BeginTurn(LaneSet lanes) {
  resumed_.clear();
  const bool any = inbox_->BeginTurn(lanes, resumed_);
  if (resumed_.empty()) return any;
  std::vector<Delivery> deliveries;
  deliveries.reserve(resumed_.size());
  for (const engine::CallId call : resumed_) deliveries.emplace_back(ReadOn{call});
  outbox_.Release(std::move(deliveries));
  return any;
}

void Broker::Impl::TakeRequests(LaneSet lanes) {
  turn_bytes_ = 0;
  const int64_t requests_max = options_.turn_requests_max;
  const auto take = [&](Lane lane, int64_t max) {
    return lanes[static_cast<size_t>(lane)] ? Take(lane, max) : 0;
  };
  const int64_t taken = take(Lane::kWorkers, requests_max);
  take(Lane::kQuestions, options_.turn_reads_max);
  take(Lane::kClients, std::max({requests_max - taken, requests_max / kClientsShare, int64_t{1}}));
}

// How many it took. The bounds of bytes and time are the turn's, but no lane goes away with nothing
// because of another.
int64_t Broker::Impl::Take(Lane lane, int64_t requests_max) {
  int64_t taken = 0;
  while (taken < requests_max) {
    const int64_t bytes_left = std::max<int64_t>(1, options_.turn_bytes_max - turn_bytes_);
    const absl::Span<Request> requests = inbox_->Take(
        lane, static_cast<size_t>(std::min(kTakeAtOnce, requests_max - taken)), bytes_left);
    if (requests.empty()) break;
    taken += static_cast<int64_t>(requests.size());
    for (Request& request : requests) {
      if (request.body != nullptr) turn_bytes_ += BytesOf(*request.body);
      Act(request);
    }
    if (turn_bytes_ >= options_.turn_bytes_max) break;
    if (clock_.NowMs() - now_ms_ >= options_.turn_ms_max) break;
  }
  return taken;
}

// Leases are judged by when the broker was last told something that it has not stepped yet.
void Broker::Impl::FinishTurn() {
  if (!Brimful()) {
    const int64_t oldest_ms = inbox_->OldestArrivalMs(Lane::kWorkers);
    engine_.Tick(now_ms_, std::max<int64_t>(0, now_ms_ - oldest_ms), turn_.effects);
  }
  EncodeChanges();
  FreeAnswered();
  if (failure_.ok()) AppendRows();
  if (failure_.ok()) Deliver();
  if (failure_.ok()) ReadSome();
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
  if (!writes_later_) gate_.Written(*appended);
}

void Broker::Impl::SyncIfAwaited() {
  if (!gate_.EndTurn()) return;
  store_.RequestSync();
  SyncsReturned();  // a store without a disk answers at once
}

bool Broker::Impl::SyncsReturned() {
  const absl::StatusOr<StoreProgress> progress = inbox_->progress();
  if (!progress.ok()) {
    failure_ = progress.status();
    return false;
  }
  if (progress->synced <= gate_.synced() && progress->written <= gate_.written()) return false;
  gate_.Written(progress->written);
  gate_.Synced(progress->synced);
  return true;
}

int64_t Broker::Impl::NextDeadline() const {
  if (!reads_.empty()) return now_ms_;
  return Brimful() ? INT64_MAX : engine_.NextDeadline();
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
      timeout_ms = std::clamp<int64_t>(deadline_ms - clock_.NowMs(), 0, options_.listen_ms);
    }
    inbox_->Wait(timeout_ms, Progress(), LanesToTake());
  }
}

absl::Status Broker::Impl::SyncAll() {
  if (gate_.synced() < gate_.appended()) store_.RequestSync();
  while (gate_.synced() < gate_.appended()) {
    inbox_->Wait(std::nullopt, Progress(), LaneSet());
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
  changed.clear();
}

Broker::Broker(const BrokerOptions& options, const Clock& clock, store::Store& store,
               Outbox& outbox)
    : impl_(std::make_unique<Impl>(options, clock, store, outbox)) {}
Broker::~Broker() = default;

absl::Status Broker::Recover(absl::AnyInvocable<void(int64_t rows)> progress) {
  return impl_->Recover(std::move(progress));
}
absl::Status Broker::Post(Lane lane, std::vector<Request>&& requests) {
  return impl_->inbox().Post(lane, std::move(requests));
}
absl::Status Broker::Post(Lane lane, Request request) {
  std::vector<Request> one;
  one.push_back(std::move(request));
  return impl_->inbox().Post(lane, std::move(one));
}
absl::StatusOr<Reading> Broker::PostFrom(engine::CallId stream, Lane lane,
                                         std::vector<Request>&& requests) {
  return impl_->inbox().PostFrom(stream, lane, std::move(requests));
}
TaskId Broker::NewTaskId() { return impl_->NewTaskId(); }
absl::StatusOr<bool> Broker::Turn() { return impl_->Turn(); }
int64_t Broker::NextDeadline() const { return impl_->NextDeadline(); }
absl::Status Broker::Run() { return impl_->Run(); }
void Broker::Stop() { impl_->inbox().Close(); }
const engine::Engine& Broker::engine() const { return impl_->engine(); }

}  // namespace treadle::broker
