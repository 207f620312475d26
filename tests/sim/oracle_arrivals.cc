#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"

#include "tests/sim/oracle.h"
#include "tests/sim/single_tasks.h"

namespace treadle::sim {

using engine::CallId;
using engine::Token;

void Oracle::Arrived(const broker::Request& request) {
  if (const auto* command = std::get_if<engine::Command>(&request.action)) {
    Arrived(*command, request);
  } else if (const auto* watch = std::get_if<broker::WatchTask>(&request.action)) {
    AskedAbout(watch->call, watch->task);
  }
}

void Oracle::AskedAbout(CallId call, TaskId task) {
  if (live_.Find(task) == nullptr) ++asked_too_early_[{call, task}];
}

void Oracle::Executing(Token token) { leases_[token].executed = true; }

bool Oracle::IsLive(Token token) const {
  const auto lease = leases_.find(token);
  if (lease == leases_.end()) return false;
  const Ledger::Task* const task = live_.Find(lease->second.task);
  return task != nullptr && task->lease == token;
}

void Oracle::Arrived(const engine::Command& command, const broker::Request& request) {
  const int64_t now_ms = NowMs();
  if (const auto* attach = std::get_if<engine::AttachWorker>(&command)) ArrivedAttach(*attach);
  // What renews a worker's leases, on its newest stream: the edge posts one with every message.
  if (const auto* heartbeat = std::get_if<engine::Heartbeat>(&command)) Heard(heartbeat->call);

  if (const auto* submit = std::get_if<engine::Submit>(&command)) {
    ArrivedSubmit(*submit, request);
  } else if (const auto* cancel = std::get_if<engine::Cancel>(&command)) {
    cancel_asked_.insert(cancel->task);
    AskedAbout(cancel->call, cancel->task);
  } else if (const auto* take = std::get_if<engine::TakeLetters>(&command)) {
    if (!take->redrive.has_value()) drops_asked_.insert(take->tasks.begin(), take->tasks.end());
  } else if (const auto* open = std::get_if<engine::OpenSession>(&command)) {
    opening_[open->call] = *open;
    // A session's newer stream: what waits for room waits for it. (A thief gets none.)
    const auto given = given_sessions_.find(open->session);
    if (given == given_sessions_.end() || given->second != open->secret) return;
    for (auto& [queue, waiting] : waiting_) {
      for (Waiting& one : waiting) {
        if (one.id.session == open->session) one.call = open->call;
      }
    }
  } else if (const auto* purge = std::get_if<engine::PurgeQueue>(&command)) {
    purged_[purge->call] = purge->name;
  } else if (const auto* pause = std::get_if<engine::PauseQueue>(&command)) {
    if (!pause->paused) resumes_asked_.insert(pause->name);
  } else if (const auto* start = std::get_if<engine::StartAttempt>(&command)) {
    const auto lease = leases_.find(start->token);
    if (lease != leases_.end()) {
      lease->second.told_started_at_ms = std::min(lease->second.told_started_at_ms, now_ms);
    }
  } else if (const auto* end = std::get_if<engine::EndAttempt>(&command)) {
    if (end->tasks() > 1) ++counts_.runs_reported;
    for (const engine::EndAttempt& report : ReportsOf(*end)) ArrivedReport(report);
  } else if (const auto* reports = std::get_if<engine::EndReports>(&command)) {
    for (const auto& [call, token] : reports_at_hand_) {
      if (call == reports->call) reports_[call].emplace_back(reports->sequence, token);
    }
    std::erase_if(reports_at_hand_,
                  [&](const auto& report) { return report.first == reports->call; });
  } else if (const auto* extend = std::get_if<engine::ExtendLease>(&command)) {
    const auto lease = leases_.find(extend->token);
    if (lease != leases_.end()) {
      const int64_t until_ms = ListenedMs() + extend->lease_ms;
      const bool late = ListenedMs() >= lease->second.until_ms;
      lease->second.extensions[extend->call] = {until_ms, late};
      lease->second.extended = true;
      // The lease was over: this counts when the broker says so.
      if (!late) lease->second.until_ms = until_ms;
    }
  } else if (const auto* closed = std::get_if<engine::CallClosed>(&command)) {
    // What may be held back behind a look-up is seen to before the call's end, which waits as long.
    const bool end_waits = KeyWasSent(closed->call);
    for (auto& [queue, waiting] : waiting_) {
      for (Waiting& one : waiting) {
        if (one.call == closed->call && end_waits) one.vague = true;
      }
      std::erase_if(waiting,
                    [&](const Waiting& one) { return one.call == closed->call && !one.vague; });
    }
  }
}

void Oracle::ArrivedReport(const engine::EndAttempt& report) {
  if (const auto found = leases_.find(report.token); found != leases_.end()) {
    Lease& lease = found->second;
    lease.reported = true;
    lease.reported_failed = lease.reported_failed || report.end == engine::AttemptEnd::kFailed ||
                            report.end == engine::AttemptEnd::kStopped;
    lease.retry_after_ms = report.error.retry_after_ms;
  }
  if (!report.reply) {
    reports_at_hand_.emplace_back(report.call, report.token);
    return;
  }
  const engine::AcceptedReport accepted{report.token, report.end};
  reporting_[report.call] = accepted;
  if (live_.Has(accepted)) ++counts_.reports_repeated;
}

void Oracle::Heard(CallId stream) {
  const auto worker = workers_.find(stream);
  if (worker == workers_.end() || streams_[worker->second] != stream) return;
  // Who comes when its leases are over may be too late, until its attach is answered.
  int64_t& heard_at_ms = heard_at_ms_[worker->second];
  const int64_t over_at_ms = std::max(heard_at_ms, started_listened_ms_) + options_.lease_ms;
  if (ListenedMs() < over_at_ms) heard_at_ms = ListenedMs();
}

// Of the broker's own session, which no other life had.
void Oracle::ArrivedUnaryId(TaskId id) {
  const auto known = submissions_.find(id);
  Expect(known == submissions_.end(), Promise::kGivenOnce,
         absl::StrCat(id.ToString(), " is given to a second unary submit"));
  if (!unary_sessions_.insert(id.session).second) return;
  Expect(!given_sessions_.contains(id.session), Promise::kGivenOnce,
         absl::StrCat("session ", id.session, " of unary submits was a client's"));
}

// A run arrives as its tasks would, one after the other.
void Oracle::ArrivedSubmit(const engine::Submit& submit, const broker::Request& request) {
  const std::string_view payloads =
      request.body == nullptr ? std::string_view() : request.body->bytes;
  engine::Submit task = submit;
  task.payload_sizes.clear();
  for (const std::string_view payload : Cut(payloads, submit.payload_sizes)) {
    task.spec.payload_bytes = payload.size();
    ArrivedTask(task, payload);
    ++task.item;
    ++task.id.sequence;
  }
}

void Oracle::ArrivedTask(const engine::Submit& submit, std::string_view payload) {
  if (!submit.sequenced) ArrivedUnaryId(submit.id);
  trace_.Note("submit arrives", submit.id,
              {static_cast<uint64_t>(submit.call), submit.item, submit.spec.digest.high});
  Submission& submission = submissions_[submit.id];
  submission.spec = submit.spec;
  submission.payload = payload;
  ++arrivals_;
  if (submission.arrival == 0) submission.arrival = arrivals_;
  const Asker asker = submit.sequenced ? Asker{submit.id.session, CallId{}, submit.item}
                                       : Asker{0, submit.call, submit.item};
  Asking& asking = asking_[asker];
  // The answer may rest on the holder of when it was asked first, over another stream maybe.
  const std::optional<TaskId> holder = KeyHolder({submit.spec.queue, submit.spec.request_key}, 0);
  asking = Asking{.id = submit.id,
                  .queue = submit.spec.queue,
                  .key = submit.spec.request_key,
                  .digest = submit.spec.digest,
                  .durability = submit.spec.durability,
                  .sequenced = submit.sequenced,
                  .twice = asking.call == submit.call,
                  .call = submit.call,
                  .key_holder = holder.has_value() ? holder : asking.key_holder};
  if (submit.wait_if_full_ms == 0) return;
  std::vector<Waiting>& waiting = waiting_[submit.spec.queue];
  const int64_t until_ms = NowMs() + submit.wait_if_full_ms;
  // What its call sends after a request key waits until that was looked up.
  const bool key_was_sent = KeyWasSent(submit.call);
  for (Waiting& one : waiting) {
    if (one.id != submit.id) continue;
    one.vague = one.vague || one.call == submit.call || key_was_sent;
    one.call = submit.call;  // a newer one as a rule: it keeps its place
    one.until_ms = std::min(one.until_ms, until_ms);
    return;
  }
  waiting.push_back(Waiting{.id = submit.id,
                            .call = submit.call,
                            .arrival = arrivals_,
                            .until_ms = until_ms,
                            .vague = key_was_sent});
}

bool Oracle::KeyWasSent(CallId call) const {
  return std::any_of(asking_.begin(), asking_.end(), [call](const auto& entry) {
    return entry.second.call == call && !entry.second.key.empty();
  });
}

void Oracle::ArrivedAttach(const engine::AttachWorker& attach) {
  workers_[attach.call] = attach.worker_id;
  streams_[attach.worker_id] = attach.call;
  attaching_[attach.call] = ListenedMs();
  Heard(attach.call);
  for (auto& [token, lease] : leases_) {
    if (lease.worker != attach.worker_id) continue;
    const auto held = std::find(attach.held_tokens.begin(), attach.held_tokens.end(), token);
    if (held == attach.held_tokens.end()) lease.not_named = true;
  }
}

}  // namespace treadle::sim
