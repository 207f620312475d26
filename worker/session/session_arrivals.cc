#include <algorithm>
#include <span>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/wire/arrival.h"
#include "proto/wire/disk_hung.h"
#include "proto/wire/settings.h"
#include "worker/session/session.h"

// What the broker sends and what the pools tell: everything that comes from other threads.

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kNotesMax = 100;
constexpr size_t kRefusedMax = 10'000;

StopReason ReasonOf(v1::StopReason reason) {
  switch (reason) {
    case v1::STOP_REASON_ATTEMPT_TIMEOUT:
      return StopReason::kAttemptTimeout;
    case v1::STOP_REASON_DEADLINE:
      return StopReason::kDeadline;
    case v1::STOP_REASON_LEASE_LOST:
      return StopReason::kLeaseLost;
    default:
      return StopReason::kCancelled;
  }
}

}  // namespace

void Session::Received(v1::AttachResponse& response) {
  // By pool. Made before the lock is taken: the pools' threads need it for every attempt.
  std::vector<std::vector<AttemptPtr>> arrived(pools_.size());
  const bool understood = ReadTasks(response, arrived);
  {
    std::lock_guard lock(mutex_);
    if (broken_) return;
    heard_at_ = steady_clock::now();
    arriving_ = response.arriving_bytes() > 0;
    peer_silent_ = options_.peer_silent + milliseconds(wire::ArrivalMs(response.arriving_bytes()));
    if (!welcomed_ && response.has_welcome()) TakeWelcome(response.welcome());
    if (!welcomed_ || !understood) {
      broken_ = true;
      Wake();
      return;
    }
    HearOfDisk(response.disk_hung_ms());
    if (response.drain()) HearOfDrain();
    reports_.Acknowledge(response.handled_report_sequence());
    TakeRefusals(response);
    TakeOutputHandled(response);
    for (size_t pool = 0; pool < arrived.size(); ++pool) Enter(pool, arrived[pool]);
    if (phase_ == Phase::kServing) {
      WakeBy(SendDue());
    } else {
      Wake();
    }
  }
  for (size_t pool = 0; pool < arrived.size(); ++pool) Submit(pool, arrived[pool]);
  // Last: a task may arrive together with the word to stop it.
  if (response.stops_size() > 0) TakeStops(response);
}

bool Session::ReadTasks(v1::AttachResponse& response,
                        std::vector<std::vector<AttemptPtr>>& arrived) const {
  if (response.runs_size() == 0) return true;
  const Time now = steady_clock::now();
  for (v1::LeasedRun& run : *response.mutable_runs()) {
    const int32_t pool = run.first().pool();
    if (pool < 0 || static_cast<size_t>(pool) >= arrived.size()) return false;
    if (!ReadRun(run, now, arrived[static_cast<size_t>(pool)])) return false;
  }
  return true;
}

// Books the leases, and leaves in `attempts` those that shall run.
void Session::Enter(size_t pool, std::vector<AttemptPtr>& attempts) {
  leases_.Add(attempts, static_cast<int32_t>(pool));
  if (phase_ == Phase::kServing) return;
  for (const AttemptPtr& attempt : attempts) GiveBack(attempt);
  attempts.clear();
}

void Session::Submit(size_t pool, std::span<AttemptPtr> attempts) {
  if (attempts.empty()) return;
  const size_t taken = pools_[pool].pool->Submit(attempts);
  if (taken == attempts.size()) return;
  // The broker sent more than it was asked for, or the pool has just been closed.
  std::lock_guard lock(mutex_);
  for (const AttemptPtr& attempt : attempts.subspan(taken)) GiveBack(attempt);
}

void Session::TakeWelcome(const v1::Welcome& welcome) {
  welcomed_ = true;
  if (std::exchange(ever_welcomed_, true)) ++stats_.reconnects;
  backoff_ = options_.reconnect_min;
  heartbeats_ = wire::Heartbeats(welcome.heartbeat_ms(), welcome.idle_heartbeat_ms());
  payload_bytes_max_ =
      welcome.payload_bytes_max() <= 0 ? limits::kPayloadBytesMax : welcome.payload_bytes_max();
  const absl::flat_hash_set<uint64_t> revoked(welcome.revoked_tokens().begin(),
                                              welcome.revoked_tokens().end());
  for (const uint64_t token : revoked) {
    LoseLease(token);
    output_.Drop(token);
  }
  if (!revoked.empty()) reports_.Drop(revoked);
  Note(LogLevel::kInfo, absl::StrCat("attached to broker ", options_.broker.ToString(), " as '",
                                     options_.worker_name, "', ", leases_.size(),
                                     " tasks are here, ", revoked.size(), " were lost"));
}

void Session::HearOfDrain() {
  if (drain_asked_) return;
  Note(LogLevel::kInfo, "the broker was asked to drain this worker");
  drain_asked_ = true;
  Wake();
}

void Session::HearOfDisk(int64_t disk_hung_ms) {
  switch (disk_.Heard(disk_hung_ms, heard_at_)) {
    case wire::DiskNews::Change::kNone:
      break;
    case wire::DiskNews::Change::kHangs:
      Note(LogLevel::kWarning,
           absl::StrCat(wire::DiskHungText(disk_hung_ms),
                        ": tasks go on here; new ones and the handling of reports wait for it"));
      break;
    case wire::DiskNews::Change::kAnswers:
      Note(LogLevel::kInfo, "the broker's disk answers again");
      break;
  }
}

void Session::TakeStops(const v1::AttachResponse& response) {
  std::lock_guard lock(mutex_);
  for (const v1::StopNotice& notice : response.stops()) {
    if (notice.reason() == v1::STOP_REASON_LEASE_LOST) {
      LoseLease(notice.token());
    } else if (LeaseBook::Lease* const lease = leases_.Find(notice.token())) {
      lease->stopping = true;
      stop_clock_.StopNow(*pools_[static_cast<size_t>(lease->pool)].pool, lease->attempt,
                          ReasonOf(notice.reason()));
    }
  }
  confirmed_.notify_all();
}

void Session::LoseLease(uint64_t token) {
  const LeaseBook::Lease* const lease = leases_.Find(token);
  if (lease == nullptr) return;
  stop_clock_.StopNow(*pools_[static_cast<size_t>(lease->pool)].pool, lease->attempt,
                      StopReason::kLeaseLost);
  ++stats_.leases_lost;
  leases_.Lose(token);
  output_.Drop(token);
}

void Session::TakeRefusals(const v1::AttachResponse& response) {
  for (const v1::ReportResult& refused : response.refused_reports()) {
    const v1::ItemStatus& status = refused.status();
    if (notes_.size() < kNotesMax) {
      Note(LogLevel::kInfo, absl::StrCat("the broker refused the report of token ", refused.token(),
                                         ": ", status.message()));
    }
    // ABORTED: the attempt does not count any more. Otherwise it does, and must end somehow.
    if (status.code() == static_cast<int>(absl::StatusCode::kAborted)) continue;
    if (refused_.size() > kRefusedMax) refused_.clear();
    if (!refused_.insert(refused.token()).second) continue;
    reports_.Add(refused.token(), AttemptResult::Failed("ReportRefused", status.message()),
                 payload_bytes_max_);
  }
}

void Session::TakeOutputHandled(const v1::AttachResponse& response) {
  for (const v1::OutputHandled& handled : response.output_handled()) {
    output_.Handled(handled.token(), handled.below_index());
  }
}

// Its report goes out, unless the lease is over, or was handed back before: then what came of it is
// of no interest.
void Session::EndLease(const Attempt& attempt, AttemptResult result) {
  if (leases_.Find(attempt) != nullptr) {
    CountEnd(result.end);
    reports_.Add(attempt.token(), std::move(result), payload_bytes_max_);
    output_.End(attempt.token());
  }
  leases_.Remove(attempt);
}

// An attempt that has not begun, and that no pool holds.
void Session::GiveBack(const AttemptPtr& attempt) {
  EndLease(*attempt, AttemptResult::Released());
  Wake();
}

// Gives tasks that would wait here for too long to other workers.
void Session::HandBackSurplus() {
  if (phase_ != Phase::kServing) return;
  for (size_t pool = 0; pool < pools_.size(); ++pool) {
    const int64_t surplus = leases_.Surplus(static_cast<int32_t>(pool));
    if (surplus <= 0) continue;
    for (const AttemptPtr& attempt : pools_[pool].pool->TakeBack(static_cast<size_t>(surplus))) {
      GiveBack(attempt);
    }
  }
}

bool Session::Begin(const AttemptPtr& attempt) {
  Pool* pool;
  {
    Lock lock(mutex_);
    LeaseBook::Lease* lease = leases_.Find(*attempt);
    if (lease == nullptr || phase_ != Phase::kServing ||
        attempt->stop_reason() != StopReason::kNone ||
        (attempt->ends_by() && *attempt->ends_by() <= steady_clock::now())) {
      return false;
    }
    if (!leases_.has_starts()) begun_at_ = steady_clock::now();
    leases_.Begin(*lease);
    if (attempt->info().confirm_start) {
      confirm_wanted_ = true;
      Wake();
      if (!Confirmed(lock, attempt)) return false;
      lease = leases_.Find(*attempt);
    } else {
      WakeBy(begun_at_ + kStartsLate);
    }
    // Only now: the wait for the confirmation is none of its time.
    if (attempt->info().timeout.count() > 0) attempt->StartClock(steady_clock::now());
    pool = pools_[static_cast<size_t>(lease->pool)].pool;
  }
  stop_clock_.Watch(*pool, attempt);
  return true;
}

// Waits until the broker knows of the start. False: the attempt must not run any more, be its start
// known or not.
bool Session::Confirmed(Lock& lock, const AttemptPtr& attempt) {
  while (true) {
    const LeaseBook::Lease* const lease = leases_.Find(*attempt);
    if (lease == nullptr || lease->stopping || phase_ != Phase::kServing ||
        attempt->stop_reason() != StopReason::kNone ||
        (attempt->ends_by() && *attempt->ends_by() <= steady_clock::now())) {
      return false;
    }
    if (lease->confirmed) return true;
    if (attempt->ends_by()) {
      confirmed_.wait_until(lock, *attempt->ends_by());
    } else {
      confirmed_.wait(lock);
    }
  }
}

void Session::CountEnd(AttemptEnd end) {
  switch (end) {
    case AttemptEnd::kSucceeded:
      ++stats_.succeeded;
      break;
    case AttemptEnd::kFailed:
      ++stats_.failed;
      break;
    case AttemptEnd::kStopped:
      ++stats_.stopped;
      break;
    case AttemptEnd::kReleased:
      ++stats_.released;
      break;
  }
}

WorkerStats Session::Stats() {
  std::lock_guard lock(mutex_);
  WorkerStats stats = stats_;
  stats.unacknowledged = reports_.size();
  for (size_t i = 0; i < pools_.size(); ++i) {
    const auto pool = static_cast<int32_t>(i);
    WorkerStats::Pool& told = stats.pools.emplace_back();
    told.name = pools_[i].pool->name();
    told.slots = pools_[i].pool->slots();
    told.running = leases_.running(pool);
    told.waiting = leases_.held(pool) - told.running;
  }
  return stats;
}

void Session::End(const AttemptPtr& attempt, AttemptResult result) {
  stop_clock_.Forget(*attempt);
  // It did not run, or stopped for the shutdown's sake.
  if (result.end == AttemptEnd::kStopped && (attempt->stop_reason() == StopReason::kNone ||
                                             attempt->stop_reason() == StopReason::kShutdown)) {
    result.end = AttemptEnd::kReleased;
  }
  std::lock_guard lock(mutex_);
  EndLease(*attempt, std::move(result));
  if (phase_ == Phase::kServing) {
    WakeBy(SendDue());
  } else {
    Wake();
  }
}

void Session::Progress(const Attempt& attempt, double fraction, std::string_view message) {
  std::lock_guard lock(mutex_);
  leases_.Report(attempt, fraction, message);
  WakeBy(SendDue());
}

bool Session::Output(const Attempt& attempt, OutputEntry& entry,
                     const std::function<void()>& room) {
  std::lock_guard lock(mutex_);
  if (leases_.Find(attempt) == nullptr) return true;
  if (!output_.Add(attempt.token(), entry, room)) {
    return attempt.stop_reason() != StopReason::kNone;
  }
  WakeBy(SendDue());
  return true;
}

void Session::Warn(std::string line) {
  std::lock_guard lock(mutex_);
  Note(LogLevel::kWarning, std::move(line));
}

}  // namespace treadle::worker
