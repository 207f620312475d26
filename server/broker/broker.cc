#include "server/broker/broker.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "proto/support/assert.h"
#include "server/broker/body.h"
#include "server/broker/broker_impl.h"

namespace treadle::broker {
namespace {

// Between two looks at the clock.
constexpr int64_t kTakeAtOnce = 64;
// The clients' share of a turn that workers fill.
constexpr int64_t kClientsShare = 4;
// More would keep what is more urgent waiting for too long.
constexpr int64_t kQuestionsAtOnce = 256;
// Of requests that wait for the store to be read. Beyond it no more of such are taken.
constexpr int64_t kHeldBytesMax = 64 << 20;

// The store hears where the clocks are with the rows of a turn, this often at most; and without any
// this often at least: so much service time can a crash give back.
constexpr int64_t kMarkWithRowsMs = 1'000;
constexpr int64_t kMarkMs = 60'000;

// Between two looks for stalls, and what one looks at: a millisecond's work at most.
constexpr int64_t kStallLookMs = 1'000;
constexpr int64_t kStallLookMost = 5'000;

std::string TextOf(const engine::Stall& stall, int64_t unix_ms) {
  return absl::StrCat("a runnable task of queue '", *stall.queue, "' and type '", *stall.type,
                      "' and a free slot of worker '", stall.worker,
                      "' were left apart, for no longer than ", unix_ms - stall.since_ms,
                      " ms: this is a bug of the broker, please report it; they are brought "
                      "together now");
}

}  // namespace

Broker::Impl::Impl(const BrokerOptions& options, ServiceClock& clock, store::Store& store,
                   Outbox& outbox, SpanSink* spans)
    : options_(options),
      clock_(clock),
      store_(store),
      outbox_(outbox),
      engine_(options.engine),
      inbox_(std::make_shared<Inbox>(clock, options.inbox_requests_max, options.inbox_bytes_max)),
      gate_(*this),
      cache_(options.payload_cache_bytes_max),
      outputs_(options.task_output_bytes_max),
      traces_(spans),
      free_space_(store, options.free_disk_bytes_min),
      store_reads_({std::min(options.turn_reads_max, kQuestionsAtOnce), options.turn_bytes_max},
                   store, inbox_, [this](absl::Status failure) { failure_ = std::move(failure); }) {
}

absl::StatusOr<bool> Broker::Impl::Turn() {
  const bool released = StoreReturned();
  if (!failure_.ok()) return failure_;
  Listen();
  free_space_.Check(now_ms_).IgnoreError();
  const bool mark = FollowClock();
  const bool stalled = MendStalls();
  lanes_ = LanesToTake();
  const bool any = BeginTurn(lanes_);
  for (Reads::Then& then : inbox_->TakeFound()) found_.push_back(std::move(then));
  const bool due = mark || stalled || NextDeadline() <= now_ms_;
  if (!any && !due) return released;

  turn_bytes_ = 0;
  FollowReads();
  TakeRequests(lanes_);
  FinishTurn();
  if (!failure_.ok()) return failure_;
  return true;
}

bool Broker::Impl::MendStalls() {
  if (now_ms_ - looked_at_ms_ < kStallLookMs) return false;
  looked_at_ms_ = now_ms_;
  const std::vector<engine::Stall> found = engine_.FindStalls(kStallLookMost);
  stalls_ += static_cast<int64_t>(found.size());
  for (const engine::Stall& stall : found) {
    if (stall.is_news && options_.on_bug) {
      options_.on_bug(TextOf(stall, now_ms_ + clock_.WallOffsetMs()));
    }
  }
  return !found.empty();
}

// After a time in which the disk stood still all comes at once: what a turn has no room for is the
// next one's.
void Broker::Impl::FollowReads() {
  while (failure_.ok() && !found_.empty()) {
    Reads::Then then = std::move(found_.front());
    found_.pop_front();
    then();
    if (TurnIsFull()) break;
  }
  GoOn();
}

bool Broker::Impl::TurnIsFull() const {
  return turn_bytes_ >= options_.turn_bytes_max || clock_.NowMs() - now_ms_ >= options_.turn_ms_max;
}

// What passes between two turns beyond the time that Run waits at most, and half as much again for
// a busy machine, passes for no lease: nobody listened. Nor does what the store takes beyond that
// to return anything: somebody may be waiting for the answer that makes him go on.
void Broker::Impl::Listen() {
  const int64_t now_ms = std::max(now_ms_, clock_.NowMs());
  const int64_t answered_at_ms = std::min(writes_.moved_at_ms, syncs_.moved_at_ms);
  const int64_t deaf_ms = now_ms - std::max(now_ms_, answered_at_ms + options_.listen_ms * 3 / 2);
  if (deaf_ms > 0) engine_.AddDeafTime(deaf_ms);
  now_ms_ = now_ms;
  writes_.Follow(gate_.AwaitsWrite(), gate_.written(), now_ms);
  syncs_.Follow(gate_.AwaitsSync(), gate_.synced(), now_ms);
}

// A store that does not keep up holds back clients first, which bring new bodies; then workers, who
// bring results of bodies that are there already. (What they say counts from when it came.)
// Questions bring none. What is asked for on streams, which may be much on one, and submits that
// wait for their keys hold back clients only: questions go on until there are as many again.
LaneSet Broker::Impl::LanesToTake() const {
  const int64_t reads = questions_.size() + store_reads_.waiting();
  const bool reads_keep_up = reads < options_.pending_reads_max && held_.bytes() <= kHeldBytesMax;
  const bool has_room = !outbox_.full();
  const int64_t bytes = UnsyncedBytes();
  LaneSet lanes;
  lanes[static_cast<size_t>(Lane::kWorkers)] = bytes <= 2 * options_.unsynced_bytes_max;
  lanes[static_cast<size_t>(Lane::kQuestions)] = has_room && reads < 2 * options_.pending_reads_max;
  lanes[static_cast<size_t>(Lane::kClients)] = has_room && reads_keep_up && !Overfull();
  return lanes;
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
  const auto take = [&](Lane lane, int64_t requests_max) {
    return lanes[static_cast<size_t>(lane)] ? Take(lane, requests_max) : 0;
  };
  const int64_t requests_max = options_.turn_requests_max;
  const int64_t workers = take(Lane::kWorkers, requests_max);
  int64_t taken = workers + take(Lane::kQuestions, options_.turn_reads_max);
  taken += take(Lane::kClients,
                std::max({requests_max - workers, requests_max / kClientsShare, int64_t{1}}));
  if (taken > 0) turn_figures_.requests.Add(taken);
}

// How many it took. The bounds of bytes and time are the turn's, but no lane goes away with nothing
// because of another.
int64_t Broker::Impl::Take(Lane lane, int64_t requests_max) {
  int64_t taken = 0;
  while (taken < requests_max) {
    const int64_t bytes_left = std::max<int64_t>(1, options_.turn_bytes_max - turn_bytes_);
    const absl::Span<Request> requests =
        inbox_->Take(lane, std::min(kTakeAtOnce, requests_max - taken), bytes_left);
    if (requests.empty()) break;
    for (Request& request : requests) {
      taken += WeightOf(request);
      if (request.body != nullptr) turn_bytes_ += BytesOf(*request.body);
      Act(request);
    }
    if (TurnIsFull()) break;
  }
  return taken;
}

// Leases are judged by when the broker was last told something that it has not stepped yet.
void Broker::Impl::FinishTurn() {
  const int64_t oldest_ms = inbox_->OldestArrivalMs(Lane::kWorkers);
  engine_.Tick(now_ms_, std::max<int64_t>(0, now_ms_ - oldest_ms), turn_.effects);
  EncodeChanges();
  EndOutputs();
  MarkClock();
  if (failure_.ok()) AppendRows();
  if (failure_.ok()) Deliver();
  if (failure_.ok()) SayOutputTaken();
  if (failure_.ok()) AnswerQuestions();
  if (failure_.ok()) {
    ReadMissing();
    ReadMoreAhead();
    ReadKeys();
    SweepOutputs();
    if (!outbox_.full()) store_reads_.StartQuestions();
  }
  if (failure_.ok()) SyncIfAwaited();
  turn_.Clear();
}

bool Broker::Impl::FollowClock() {
  clock_was_set_ |= clock_.Follow();
  engine_.FollowWall(clock_.WallOffsetMs());
  return clock_was_set_ || now_ms_ - marked_at_ms_ >= kMarkMs;
}

void Broker::Impl::MarkClock() {
  const bool alone = turn_.batch.empty();
  if (!clock_was_set_ && now_ms_ - marked_at_ms_ < (alone ? kMarkMs : kMarkWithRowsMs)) return;
  marked_at_ms_ = now_ms_;
  clock_was_set_ = false;
  // On a full disk it would be the end of a broker that has nothing to store.
  if (alone && !free_space_.Check(now_ms_).ok()) return;
  encoder_.Encode(engine::Row(engine::ClockRow{clock_.Mark()}), turn_.batch);
}

void Broker::Impl::AppendRows() {
  if (turn_.batch.empty()) return;
  const auto bytes = static_cast<int64_t>(turn_.batch.bytes());
  turn_figures_.batch_bytes.Add(bytes);
  turn_figures_.rows += static_cast<int64_t>(turn_.batch.size());
  const absl::StatusOr<store::Sequence> appended = store_.Take(turn_.batch);
  if (!appended.ok()) {
    failure_ = appended.status();
    return;
  }
  gate_.Appended(*appended, bytes);
  if (!writes_behind_) gate_.Written(*appended);
}

void Broker::Impl::SyncIfAwaited() {
  if (!gate_.EndTurn()) return;
  sync_times_.Asked(gate_.appended(), clock_.NowMs());
  store_.RequestSync();
  StoreReturned();  // a store without a disk answers at once
}

bool Broker::Impl::StoreReturned() {
  const absl::StatusOr<StoreProgress> progress = inbox_->progress();
  if (!progress.ok()) {
    failure_ = progress.status();
    return false;
  }
  if (progress->written <= gate_.written() && progress->synced <= gate_.synced()) return false;
  if (progress->synced > gate_.synced()) sync_times_.Synced(progress->synced, clock_.NowMs());
  gate_.Synced(progress->synced);
  gate_.Written(progress->written);
  return true;
}

// Most writes are followed by a sync that says more. One may let in who was left out.
StoreProgress Broker::Impl::Seen(LaneSet lanes) const {
  const bool write_matters = gate_.AwaitsWrite() || !lanes.all();
  return {write_matters ? gate_.written() : UINT64_MAX, gate_.synced()};
}

int64_t Broker::Impl::NextDeadline() const {
  const bool at_once = !found_.empty() || keys_found_ || !go_on_.empty() || !questions_.empty();
  return at_once ? now_ms_ : std::min(engine_.NextDeadline(), outputs_.NextSweepMs());
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
    if (closed && lanes_.all() && held_.empty()) return SyncAll();
    const LaneSet lanes = LanesToTake();
    if ((lanes & ~lanes_).any()) continue;  // what the turn left out may be waiting
    // Never for longer: the wall clock may be set.
    inbox_->Wait(std::clamp<int64_t>(NextDeadline() - clock_.NowMs(), 0, options_.listen_ms),
                 Seen(lanes), closed ? LaneSet() : lanes);
  }
}

absl::Status Broker::Impl::SyncAll() {
  clock_was_set_ = true;  // a last word of where the clocks are
  FinishTurn();
  if (!failure_.ok()) return failure_;
  if (gate_.synced() < gate_.appended()) store_.RequestSync();
  while (gate_.synced() < gate_.appended()) {
    inbox_->WaitForStore(Seen(LaneSet().set()));
    StoreReturned();
    if (!failure_.ok()) return failure_;
  }
  return absl::OkStatus();
}

Holdings Broker::Impl::holdings() const {
  const engine::EngineTotals totals = engine_.Totals();
  return {.unfinished_tasks = totals.unfinished_tasks,
          .sessions = totals.sessions,
          .workers = totals.workers,
          .calls = totals.calls,
          .undeclared_queues = totals.undeclared_queues,
          .waits = watchers_.size() + output_readers_.size(),
          .watching_calls = watchers_.calls(),
          .watching_sessions = watchers_.sessions(),
          .waiting_submits = totals.waiting_submits,
          .waiting_bytes = totals.waiting_bytes,
          .progress = static_cast<int64_t>(progress_.size()),
          .outputs = static_cast<int64_t>(outputs_.size()),
          .cached_payloads = static_cast<int64_t>(cache_.size() + ahead_.size()),
          .pending_reads = questions_.size(),
          .unknowns = unknowns_said_};
}

Figures Broker::Impl::figures() const {
  Figures figures;
  figures.holdings = holdings();
  figures.turns = turn_figures_;
  figures.stalls = stalls_;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    figures.lanes[lane] = inbox_->Figures(static_cast<Lane>(lane));
  }
  figures.unsynced_bytes = UnsyncedBytes();
  figures.payload_cache_bytes = cache_.bytes();
  figures.free_store_bytes = free_space_.bytes();
  if (const SpanSink* const spans = traces_.sink()) figures.spans = spans->Figures();
  return figures;
}

void Broker::Impl::Visit(absl::AnyInvocable<void(const View&)>& visit) const {
  const View::Internals internals{progress_, outputs_, *this};
  visit(View{engine_, now_ms_, &internals});
}

std::vector<engine::CallId> Broker::Impl::WaitForStore() const {
  absl::flat_hash_set<engine::CallId> calls;
  const auto add = [&calls](engine::CallId call) {
    if (call != engine::CallId{}) calls.insert(call);
  };
  gate_.ForEachWaiting([&](const Delivery& delivery) { add(CallOf(delivery)); });
  late_.ForEachCall(add);
  store_reads_.ForEachCall(add);
  for (const engine::CallId call : held_.Calls()) add(call);
  const LaneSet taken = LanesToTake();
  for (size_t lane = 0; lane < kLanes; ++lane) {
    if (!taken[lane]) inbox_->ForEachCall(static_cast<Lane>(lane), add);
  }
  return {calls.begin(), calls.end()};
}

TaskId Broker::Impl::NewTaskIds(uint32_t count) {
  const uint64_t session = own_session_.load(std::memory_order_relaxed);
  TREADLE_ASSERT(session != 0);
  return TaskId{session, last_task_.fetch_add(count, std::memory_order_relaxed) + 1};
}

void Broker::Impl::Gathered::Clear() {
  effects.changes.clear();
  effects.outputs.clear();
  changes_encoded = 0;
  batch.Clear();
  missing.clear();
  output_taken.clear();
  read_on.clear();
  changed.clear();
  closed.clear();
}

absl::Status Intake::Post(Lane lane, Request request) {
  std::vector<Request> one;
  one.push_back(std::move(request));
  return Post(lane, std::move(one));
}

Broker::Broker(const BrokerOptions& options, ServiceClock& clock, store::Store& store,
               Outbox& outbox, SpanSink* spans)
    : impl_(std::make_unique<Impl>(options, clock, store, outbox, spans)) {}
Broker::~Broker() = default;

absl::Status Broker::Recover(engine::Incarnation incarnation,
                             absl::AnyInvocable<void(int64_t rows)> progress) {
  return impl_->Recover(incarnation, std::move(progress));
}
absl::Status Broker::Post(Lane lane, std::vector<Request>&& requests) {
  return impl_->inbox().Post(lane, std::move(requests));
}
absl::StatusOr<Reading> Broker::PostFrom(engine::CallId stream, Lane lane,
                                         std::vector<Request>&& requests) {
  return impl_->inbox().PostFrom(stream, lane, std::move(requests));
}
void Broker::GoOn() {
  impl_->inbox().Found([] {});
}
void Broker::FindWaiting(absl::AnyInvocable<void(std::vector<engine::CallId>)> tell) {
  impl_->inbox().Found([this, tell = std::move(tell)]() mutable { tell(impl_->WaitForStore()); });
}
void Broker::Visit(absl::AnyInvocable<void(const View&)> visit) {
  impl_->inbox().Found([this, visit = std::move(visit)]() mutable { impl_->Visit(visit); });
}
TaskId Broker::NewTaskIds(uint32_t count) { return impl_->NewTaskIds(count); }
absl::StatusOr<bool> Broker::Turn() { return impl_->Turn(); }
int64_t Broker::NextDeadline() const { return impl_->NextDeadline(); }
absl::Status Broker::Run() { return impl_->Run(); }
void Broker::Stop() { impl_->inbox().Close(); }
const engine::Engine& Broker::engine() const { return impl_->engine(); }
Holdings Broker::holdings() const { return impl_->holdings(); }
Figures Broker::figures() const { return impl_->figures(); }

Figures View::Figures() const { return internals->broker.figures(); }
const BrokerOptions& View::Options() const { return internals->broker.options(); }

}  // namespace treadle::broker
