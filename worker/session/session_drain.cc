#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

#include "worker/session/session.h"

// How serving ends.

namespace treadle::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long to wait until the broker has acknowledged that it was told of the drain: tasks that it
// sent before are on their way here until then.
constexpr milliseconds kDrainHeard{1'000};
// How long the broker may take to end the stream when it was asked to.
constexpr milliseconds kCloseGrace{1'000};

}  // namespace

void Session::Drain() {
  std::lock_guard lock(mutex_);
  drain_asked_ = true;
  Wake();
}

void Session::Abort() {
  std::lock_guard lock(mutex_);
  abort_asked_ = true;
  Wake();
}

bool Session::AdvanceDrain(Lock& lock, Time now) {
  if (abort_asked_ && phase_ != Phase::kClosing) {
    result_ = absl::CancelledError("the worker was told to end at once");
    phase_ = stream_ == nullptr ? Phase::kOver : Phase::kClosing;
    phase_until_ = Time::min();
    confirmed_.notify_all();
    return true;
  }
  switch (phase_) {
    case Phase::kServing:
      if (drain_asked_) BeginDrain(now);
      return drain_asked_;
    case Phase::kDraining:
      if (leases_.size() == 0) {
        EnterReporting(now);
      } else if (now >= phase_until_) {
        StopRunning(now);
      } else {
        return false;
      }
      return true;
    case Phase::kStopping:
      if (leases_.size() != 0 && now < phase_until_) return false;
      GiveUpRunning();
      EnterReporting(now);
      return true;
    case Phase::kReporting:
      if (now < phase_until_ && !reports_done(now)) return false;
      if (!reports_.empty()) {
        result_ = absl::DeadlineExceededError(
            absl::StrCat("broker ", options_.broker.ToString(),
                         " did not acknowledge the last reports in time: it will run their tasks "
                         "again when their leases expire"));
      }
      phase_ = stream_ == nullptr ? Phase::kOver : Phase::kClosing;
      phase_until_ = now + kCloseGrace;
      if (stream_ != nullptr && welcomed_ && !writing_ && !ended_) {
        lock.unlock();
        stream_->WritesDone();
        lock.lock();
      } else {
        phase_until_ = Time::min();
      }
      return true;
    case Phase::kClosing:
      if (now < phase_until_ || stream_ == nullptr || cancelled_) return false;
      cancelled_ = true;
      stream_->Cancel();
      return true;
    case Phase::kOver:
      return false;
  }
  return false;
}

void Session::BeginDrain(Time now) {
  phase_ = Phase::kDraining;
  confirmed_.notify_all();
  drain_until_ = phase_until_ = now + options_.drain_timeout;
  leases_.WithdrawCredit();
  size_t released = 0;
  for (const ServedPool& served : pools_) {
    served.pool->Close();
    for (const AttemptPtr& attempt : served.pool->TakeBack(std::numeric_limits<size_t>::max())) {
      GiveBack(attempt);
      ++released;
    }
  }
  Note(LogLevel::kInfo, absl::StrCat("draining: ", leases_.size(), " tasks run on, ", released,
                                     " were handed back"));
}

void Session::StopRunning(Time now) {
  phase_ = Phase::kStopping;
  phase_until_ = now + options_.stop_grace;
  Note(LogLevel::kWarning, absl::StrCat("the drain timeout has passed: telling ", leases_.size(),
                                        " running tasks to stop"));
  leases_.ForEach([this](const AttemptPtr& attempt, int32_t pool) {
    stop_clock_.StopNow(*pools_[static_cast<size_t>(pool)].pool, attempt, StopReason::kShutdown);
  });
}

void Session::GiveUpRunning() {
  std::vector<AttemptPtr> attempts;
  leases_.ForEach([&](const AttemptPtr& attempt, int32_t) { attempts.push_back(attempt); });
  if (attempts.empty()) return;
  Note(LogLevel::kWarning,
       absl::StrCat(attempts.size(), " tasks did not stop, and are handed back as they are"));
  for (const AttemptPtr& attempt : attempts) GiveBack(attempt);
  confirmed_.notify_all();
}

void Session::EnterReporting(Time now) {
  phase_ = Phase::kReporting;
  phase_until_ = std::max(now + options_.report_timeout, drain_until_);
}

bool Session::reports_done(Time now) const {
  if (!reports_.empty()) return false;
  if (stream_ == nullptr || !welcomed_) return true;  // and no task can be on its way
  if (!drain_told_ || writing_) return false;
  return reports_.acknowledged() >= drain_sequence_ || now >= drain_heard_by();
}

Session::Time Session::drain_heard_by() const { return drain_told_at_ + kDrainHeard; }

}  // namespace treadle::worker
