#include <algorithm>

#include "absl/strings/str_cat.h"

#include "tests/sim/oracle.h"

// Queues that start nothing: paused by an operator, or by their circuit breaker. The attempts that
// the breaker counts are seen only by their rows, so what follows from them has a lower bound and
// an upper one: nobody stores how an attempt ended whose outcome is not wanted, nor in which order
// attempts ended that one turn has stored; and the window is counted in tenths.

namespace treadle::sim {

void Oracle::AttemptEnded(const std::string& queue, Ended::How how) {
  ends_[queue].push_back({.at_ms = NowMs(), .how = how, .in_batch = true});
}

Oracle::Tally Oracle::TallyOf(const std::vector<Ended>& ends, int64_t window_ms) const {
  Tally tally;
  for (const Ended& one : ends) {
    const int64_t age_ms = NowMs() - one.at_ms;
    if (age_ms >= window_ms) continue;
    const bool counts = one.is_sure && age_ms < window_ms - window_ms / 10;
    const bool failed = one.how == Ended::How::kFailed;
    const bool succeeded = one.how == Ended::How::kSucceeded;
    ++tally.ended_max;
    if (!succeeded) ++tally.failed_max;
    if (counts && failed) ++tally.failed_min;
    if (counts && succeeded && !one.in_batch) ++tally.succeeded_min;
    if (failed && one.is_sure && one.in_batch) tally.fails_now = true;
  }
  return tally;
}

void Oracle::CheckPauses(const std::map<std::string, int>& queue_rows,
                         const Ledger::Queues& before) {
  std::erase_if(ends_, [&](const auto& entry) { return !live_.queues.contains(entry.first); });
  for (const auto& [name, row] : live_.queues) {
    const auto rows = queue_rows.find(name);
    const auto known = before.find(name);
    const bool is_new = known == before.end() || known->second.created_at_ms != row.created_at_ms ||
                        known->second.version > row.version;
    CheckPause(row, is_new ? nullptr : &known->second, rows == queue_rows.end() ? 0 : rows->second);
    std::vector<Ended>& ends = ends_[name];
    const int64_t window_ms = row.config.breaker.window_ms;
    std::erase_if(ends, [&](const Ended& one) { return one.at_ms + window_ms <= NowMs(); });
    for (Ended& one : ends) one.in_batch = false;
  }
}

// `rows`: how often the queue's row was stored.
void Oracle::CheckPause(const engine::QueueRow& row, const engine::QueueRow* before, int rows) {
  const std::string& name = row.config.name;
  const engine::CircuitBreaker& breaker = row.config.breaker;
  const bool paused = row.pause.since_ms != 0;
  const bool was_paused = before != nullptr && before->pause.since_ms != 0;
  std::vector<Ended>& ends = ends_[name];
  const Tally tally = TallyOf(ends, breaker.window_ms);
  if (paused && (rows == 0 || row.pause.by_breaker)) {
    for (const TaskId id : granted_) {
      Expect(live_.Find(id)->row.spec.queue != name, Promise::kAliveMeansWorking,
             absl::StrCat(id.ToString(), " is given though queue ", name, " is paused"));
    }
  }
  if (rows == 0) {
    const bool must_open = breaker.failure_percent > 0 && !paused && tally.fails_now &&
                           tally.failed_min + tally.succeeded_min >= breaker.min_attempts &&
                           100 * tally.failed_min >= breaker.failure_percent * tally.ended_max;
    Expect(!must_open, Promise::kAliveMeansWorking,
           absl::StrCat("queue ", name, " goes on after ", tally.failed_min, " of ",
                        tally.ended_max, " attempts have failed"));
    return;
  }
  const bool opened = before != nullptr && rows == 1 && paused && row.pause.by_breaker;
  if (opened && !was_paused) {
    ++counts_.circuits_opened;
    const int64_t ended_min = tally.failed_max + tally.succeeded_min;
    Expect(breaker.failure_percent > 0 && tally.ended_max >= breaker.min_attempts &&
               100 * tally.failed_max >= breaker.failure_percent * ended_min,
           Promise::kAliveMeansWorking,
           absl::StrCat("queue ", name, " is paused by its circuit breaker after ",
                        tally.failed_max, " of ", tally.ended_max, " attempts have failed"));
    const int64_t until_ms = breaker.resume_after_ms == 0 ? 0 : NowMs() + breaker.resume_after_ms;
    Expect(
        row.pause.until_ms == until_ms && !row.pause.reason.empty(), Promise::kAliveMeansWorking,
        absl::StrCat("queue ", name, " is paused until ", row.pause.until_ms, ", not ", until_ms));
    return;
  }
  if (was_paused && !paused && before->pause.by_breaker) {
    const int64_t until_ms = before->pause.until_ms;
    Expect((until_ms != 0 && until_ms <= NowMs()) || resumes_asked_.contains(name),
           Promise::kAliveMeansWorking,
           absl::StrCat("queue ", name, " goes on before its circuit breaker's pause is over"));
  }
  if (!paused) resumes_asked_.erase(name);
  // The count begins anew when it is resumed.
  const bool resumed = rows == 1 && was_paused && !paused;
  if (before == nullptr || resumed) {
    std::erase_if(ends, [](const Ended& one) { return !one.in_batch; });
  }
  for (Ended& one : ends) one.is_sure = false;
}

void Oracle::CheckPausesEnd(const engine::Engine& engine) const {
  if (engine.NextDeadline() <= NowMs()) return;  // as for CheckWorking
  for (const auto& [name, row] : live_.queues) {
    Expect(row.pause.until_ms == 0 || row.pause.until_ms > NowMs(), Promise::kAliveMeansWorking,
           absl::StrCat("queue ", name, " is paused for longer than it was to be"));
  }
}

}  // namespace treadle::sim
