#include "server/engine/lost_time.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace treadle::engine {
namespace {

// A life from its beginning on, divided among reasons.
class Account {
 public:
  Account(int64_t begin_ms, int64_t end_ms)
      : at_ms_(begin_ms), end_ms_(std::max(begin_ms, end_ms)) {}

  int64_t at_ms() const { return at_ms_; }
  // What is not accounted for yet, until then. Times that contradict each other, as those of
  // different clocks may, count for nothing.
  void Until(int64_t until_ms, Reason reason) {
    const int64_t to_ms = std::clamp(until_ms, at_ms_, end_ms_);
    ms_[static_cast<size_t>(reason)] += to_ms - at_ms_;
    at_ms_ = to_ms;
  }
  void Rest(Reason reason) { Until(end_ms_, reason); }

  std::vector<LostTime> Take() const {
    std::vector<LostTime> lost;
    for (size_t reason = 0; reason < ms_.size(); ++reason) {
      if (ms_[reason] > 0) lost.push_back({static_cast<Reason>(reason), ms_[reason]});
    }
    std::stable_sort(lost.begin(), lost.end(),
                     [](const LostTime& a, const LostTime& b) { return a.ms > b.ms; });
    return lost;
  }

 private:
  int64_t at_ms_;
  const int64_t end_ms_;
  std::array<int64_t, static_cast<size_t>(kLastReason) + 1> ms_{};
};

// What kept a runnable task of this line from running, if that is still known. When nothing did,
// every slot that fits was taken: no slot and no task wait for each other.
Reason KeptBy(const Line& line, int64_t at_ms) {
  const Queue& queue = line.queue;
  const std::optional<uint8_t> pause = queue.pauses.At(at_ms);
  if (!pause.has_value()) return Reason::kUnknown;
  if (*pause != 0) return *pause == Queue::kBreakerPause ? Reason::kCircuitOpen : Reason::kPaused;
  const std::optional<uint8_t> served = queue.served.At(at_ms);
  const std::optional<uint8_t> named = line.named.At(at_ms);
  if ((served.value_or(0) & Queue::kEveryTypeServed) != 0 || named.value_or(0) != 0) {
    return Reason::kSlotsBusy;
  }
  if (!served.has_value() || !named.has_value()) return Reason::kUnknown;
  return *served == 0 ? Reason::kNoWorker : Reason::kNoHandler;
}

void AddWait(const Line& line, int64_t until_ms, const State& state, Account& account) {
  account.Until(std::min(until_ms, state.loaded_at_ms), Reason::kUnknown);
  while (account.at_ms() < until_ms) {
    const int64_t at_ms = account.at_ms();
    const int64_t next_ms =
        std::min({until_ms, line.named.NextAfter(at_ms), line.queue.served.NextAfter(at_ms),
                  line.queue.pauses.NextAfter(at_ms)});
    account.Until(next_ms, KeptBy(line, at_ms));
    if (account.at_ms() == at_ms) return;  // the life's end
  }
}

// From its lease on. `started_ms` 0: it did not begin, as far as is known.
void AddAttempt(int64_t started_ms, int64_t end_ms, Account& account) {
  account.Until(started_ms == 0 ? end_ms : started_ms, Reason::kHeld);
  account.Until(end_ms, Reason::kRuns);
}

// The attempts that failed, of which some in the middle may not be kept. `since_unix_ms` is 0 on
// the account's clock. wait(until_ms): it was runnable until then.
template <typename Wait>
void AddFailed(const std::vector<FailedAttempt>& failed, int64_t since_unix_ms, Account& account,
               Wait wait) {
  int32_t last = 0;
  for (const FailedAttempt& one : failed) {
    const auto moment = [&](int64_t unix_ms) { return unix_ms == 0 ? 0 : unix_ms - since_unix_ms; };
    Reason before = last == 0 ? Reason::kDelayed : Reason::kBacksOff;
    if (one.error.attempt != last + 1) before = Reason::kUnknown;
    account.Until(moment(one.runnable_at_ms), before);
    wait(moment(one.leased_at_ms));
    AddAttempt(moment(one.started_at_ms), moment(one.ended_at_ms), account);
    last = one.error.attempt;
  }
}

// What passed since its latest attempt that failed, or its submit, until it was runnable again.
Reason BeforeWait(const Task& task) {
  const bool given_back = task.losses > 0 || task.returns > 0;
  if (task.attempts_spent > 0) return given_back ? Reason::kUnknown : Reason::kBacksOff;
  return task.last_token != Token{} ? Reason::kUnknown : Reason::kDelayed;
}

}  // namespace

std::vector<LostTime> LostTimesOf(const Task& task, const State& state) {
  Account account(task.submitted_at_ms, state.now_ms);
  const auto wait = [&](int64_t until_ms) { AddWait(*task.line, until_ms, state, account); };
  if (task.extras) AddFailed(task.extras->failed, state.wall_offset_ms, account, wait);
  account.Until(task.waits_since_ms, BeforeWait(task));
  if (const LiveLease* const lease = task.lease.get()) {
    wait(lease->grant->granted_at_ms);
    AddAttempt(lease->started ? lease->started_at_ms : 0, state.now_ms, account);
  } else if (task.state == TaskState::kScheduled) {
    account.Rest(task.attempts_spent > 0 ? Reason::kBacksOff : Reason::kDelayed);
  } else {
    wait(state.now_ms);
  }
  return account.Take();
}

std::vector<LostTime> LostTimesOf(const Waiter& waiter, const State& state) {
  Account account(waiter.since_ms, state.now_ms);
  account.Rest(Reason::kNoRoom);
  return account.Take();
}

std::vector<LostTime> LostTimesOf(const FinishedRow& row) {
  Account account(row.submitted_at_ms, row.finished_at_ms);
  AddFailed(row.failed, 0, account,
            [&](int64_t until_ms) { account.Until(until_ms, Reason::kUnknown); });
  if (row.leased_at_ms != 0) {
    account.Until(row.leased_at_ms, Reason::kUnknown);
    AddAttempt(row.started_at_ms, row.finished_at_ms, account);
  }
  account.Rest(Reason::kUnknown);
  return account.Take();
}

}  // namespace treadle::engine
