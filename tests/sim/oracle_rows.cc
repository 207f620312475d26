#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"

#include "server/broker/row_key.h"
#include "tests/sim/oracle.h"
#include "tests/sim/single_tasks.h"

namespace treadle::sim {

using engine::TaskState;
using engine::Token;

void Oracle::Appended(const store::WriteBatch& batch) {
  latest_wall_ms_ = std::max(latest_wall_ms_, clock_->WallMs());
  const std::vector<StoredChange> changes = Decode(batch);
  const Ledger::Queues queues_before = live_.queues;
  std::map<std::string, int> queue_rows;
  for (const StoredChange& change : changes) {
    Check(change);
    Apply(change, live_);
    if (const auto* queue = std::get_if<engine::QueueRow>(&change.row); !change.deleted && queue) {
      ++queue_rows[queue->config.name];
    }
  }
  CheckKept(changes);
  CheckPauses(queue_rows, queues_before);
}

void Oracle::Durable(const store::WriteBatch& batch) {
  const std::vector<StoredChange> changes = Decode(batch);
  for (const StoredChange& change : changes) Apply(change, durable_);
  EndDead(changes, durable_);
}

const Ledger::Task& Oracle::Unfinished(TaskId id, const char* what) const {
  const Ledger::Task* task = live_.Find(id);
  if (task == nullptr)
    Broken(Promise::kNeverLost, absl::StrCat(what, " of unknown task ", id.ToString()));
  if (task->finished)
    Broken(Promise::kOneLease, absl::StrCat(what, " of ended task ", id.ToString()));
  return *task;
}

void Oracle::Check(const StoredChange& change) {
  if (change.deleted) {
    const broker::RowKind kind = *broker::KindOfKey(change.key);
    if (kind == broker::RowKind::kTask) {
      for (const TaskId id : live_.DroppedBy(change)) CheckDropped(id);
    } else if (kind == broker::RowKind::kDeadLetter) {
      const broker::QueueNumber letter = *broker::QueueNumberOfKey(change.key);
      CheckLetterDropped(std::string(letter.queue), letter.number);
      ++counts_.letters_dropped;
    }
    return;
  }
  if (const auto* task = std::get_if<engine::TaskRow>(&change.row)) {
    for (const auto& [one, payload] : TasksOf(*task, change.body)) {
      if (const Ledger::Task* const known = live_.Find(one.id)) {
        CheckMoved(*known, one, payload);
      } else {
        if (!submissions_.contains(one.id)) CheckRedriven(one, payload);
        CheckAccepted(one, payload);
      }
    }
  } else if (const auto* run = std::get_if<engine::RunRow>(&change.row)) {
    CheckRun(*run);
  } else if (const auto* attempt = std::get_if<engine::AttemptRow>(&change.row)) {
    CheckAttempt(*attempt);
  } else if (const auto* grant = std::get_if<engine::GrantRow>(&change.row)) {
    for (const auto& [token, id] : LeasesOf(*grant)) CheckGranted(*grant, token, id);
  } else if (const auto* finished = std::get_if<engine::FinishedRow>(&change.row)) {
    for (const auto& [outcome, result] : OutcomesOf(*finished, change.body)) {
      CheckFinished(outcome, result);
    }
  } else if (const auto* letter = std::get_if<engine::DeadLetterRow>(&change.row)) {
    CheckLetter(*letter);
  } else if (const auto* dead = std::get_if<engine::DeadTaskRow>(&change.row)) {
    CheckDeadTask(*dead, change.body);
  } else if (const auto* job = std::get_if<engine::JobRow>(&change.row)) {
    CheckJob(*job);
  } else if (const auto* key = std::get_if<engine::KeyRow>(&change.row)) {
    CheckKey(*key);
  } else if (const auto* queue = std::get_if<engine::QueueRow>(&change.row)) {
    bounds_before_[queue->config.name].RaiseTo(queue->config);
  }
}

void Oracle::CheckRun(const engine::RunRow& row) {
  const std::vector<TaskId> unfinished = live_.UnfinishedOf(row.id);
  for (const TaskId id : unfinished) {
    const bool said = std::any_of(row.finished.begin(), row.finished.end(), [&](const auto& range) {
      return range.first <= id.sequence && id.sequence <= range.second;
    });
    if (said) CheckDropped(id);
  }
}

// It ends, and its outcome is not stored.
void Oracle::CheckDropped(TaskId id) {
  const Ledger::Task& task = Unfinished(id, "deletion");
  Expect(task.row.spec.result_ttl_ms == 0, Promise::kNeverLost,
         absl::StrCat("the outcome of ", id.ToString(), " is dropped at once"));
  left_from_[task.row.spec.queue].Add(task.row);
  if (task.lease != Token{}) AttemptEnded(task.row.spec.queue, Ended::How::kUnknown);
}

// Its run was compacted: it has another row, which says the same.
void Oracle::CheckMoved(const Ledger::Task& task, const engine::TaskRow& row,
                        const std::string& payload) {
  ++counts_.moved;
  const std::string id = row.id.ToString();
  Expect(!task.finished && row.order == task.row.order, Promise::kSafeToRepeat,
         absl::StrCat(id, " is accepted twice"));
  Expect(row.spec.queue == task.row.spec.queue && row.spec.type == task.row.spec.type &&
             row.submitted_at_ms == task.row.submitted_at_ms && payload == task.payload,
         Promise::kNeverLost, absl::StrCat(id, " is another task in another row"));
}

void Oracle::CheckAccepted(const engine::TaskRow& row, const std::string& payload) {
  const std::string id = row.id.ToString();
  trace_.Note("accepted", row.id, {row.order});
  Expect(row.order > live_.last_order, Promise::kOrder,
         absl::StrCat(id, " gets an old order number"));
  Expect(submissions_[row.id].payload == payload, Promise::kNeverLost,
         absl::StrCat(id, " is stored with another payload"));

  // Whoever waits for room is served before those who came later. Who is refused did not wait: so
  // it counts only when the one that was overtaken gets its place after all.
  std::vector<Waiting>& waiting = waiting_[row.spec.queue];
  const auto self = std::find_if(waiting.begin(), waiting.end(),
                                 [&](const Waiting& one) { return one.id == row.id; });
  uint64_t arrival = submissions_[row.id].arrival;
  if (self != waiting.end()) {
    Expect(self->vague || !self->overtaken_by.has_value(), Promise::kBounded,
           absl::StrCat(self->overtaken_by.value_or(TaskId{}).ToString(), " overtook ", id,
                        ", which waited for room"));
    arrival = self->vague ? 0 : self->arrival;
  }
  for (Waiting& one : waiting) {
    if (one.arrival < arrival && one.until_ms > NowMs()) one.overtaken_by = row.id;
  }
  if (self != waiting.end()) {
    waiting.erase(self);
    waited_.insert(row.id);
  }
  accepted_into_[row.spec.queue].Add(row);
}

void Oracle::CheckAttempt(const engine::AttemptRow& row) {
  const Ledger::Task& task = Unfinished(row.id, "attempt");
  const bool spent = row.attempts_spent == task.spent + 1;
  Expect(spent || row.attempts_spent == task.spent, Promise::kNoUndueBlame,
         absl::StrCat(row.id.ToString(), " goes from ", task.spent, " to ", row.attempts_spent,
                      " attempts"));
  const bool over = task.lease != Token{} && row.last_token >= task.lease;
  Expect(over || !spent, Promise::kNoUndueBlame,
         absl::StrCat(row.id.ToString(), " spends an attempt without one"));
  Expect(
      row.losses <= (spent ? 0 : task.losses + (over ? 1 : 0)), Promise::kNoUndueBlame,
      absl::StrCat(row.id.ToString(), " counts ", row.losses, " lost leases after ", task.losses));
  if (spent && row.failed.back().error.message == kReportedError) {
    const std::optional<int64_t> asked_ms = leases_[task.lease].retry_after_ms;
    Expect(row.failed.back().error.retry_after_ms == asked_ms &&
               (!asked_ms || row.run_at_ms == NowMs() + *asked_ms),
           Promise::kOrder,
           absl::StrCat(row.id.ToString(), " is tried again otherwise than its handler asked"));
  }
  if (over) CheckLeaseOver(task, spent);
  if (over) waits_since_[row.id] = {ListenedMs(), row.run_at_ms};
  if (spent) AttemptEnded(task.row.spec.queue, Ended::How::kFailed);
}

void Oracle::CheckLeaseOver(const Ledger::Task& task, bool attempt_spent) {
  const int64_t now_ms = NowMs();
  const Lease& lease = leases_[task.lease];
  const bool unary = lease.worker.empty();
  const int64_t expires_at_ms =
      unary ? lease.until_ms
            : std::max(heard_at_ms_[lease.worker], started_listened_ms_) + lease.lease_ms;
  const int64_t timeout_ms = task.row.spec.attempt_timeout_ms;
  // A worker that lives says itself that an attempt is over; nobody can ask a unary holder.
  const bool timed_out =
      unary && timeout_ms > 0 &&
      lease.told_started_at_ms <= now_ms - timeout_ms - options_.attempt_timeout_grace_ms;
  const bool lost = ListenedMs() >= expires_at_ms || lease.not_named || timed_out;
  const std::string what =
      absl::StrCat("lease ", static_cast<uint64_t>(task.lease), " of ", task.row.id.ToString());
  if (!lease.reported) ++counts_.taken_back;
  Expect(lost || lease.reported, Promise::kSurvivesStalls,
         absl::StrCat(what, " is taken from a worker that is alive ('", lease.worker,
                      "', for another ", expires_at_ms - ListenedMs(), " ms)"));
  if (!attempt_spent) return;
  const bool too_many = task.losses + 1 >= options_.unexplained_losses_max;
  Expect(lease.reported_failed || (lost && (unary || lease.executed || too_many)),
         Promise::kNoUndueBlame,
         absl::StrCat(what, " costs an attempt though it was not executing"));
}

// A date that has once come stays come, when the clock is set back. So does the end of a delay,
// once the task was given: after a boot service time may go on from a little earlier.
void Oracle::CheckDue(const Ledger::Task& task, const std::string& what) const {
  const engine::TaskSpec& spec = task.row.spec;
  Expect(spec.run_at_ms == 0 || spec.run_at_ms <= latest_wall_ms_, Promise::kOrder,
         absl::StrCat(what, " is given before the task's date"));
  Expect(task.given || spec.delay_ms == 0 || task.row.submitted_at_ms + spec.delay_ms <= NowMs(),
         Promise::kOrder, absl::StrCat(what, " is given before the task's delay is over"));
}

void Oracle::CheckGranted(const engine::GrantRow& row, Token token, TaskId id) {
  const Ledger::Task& task = Unfinished(id, "lease");
  const auto number = static_cast<uint64_t>(token);
  const std::string what = absl::StrCat("lease ", number, " of ", id.ToString());
  Expect(task.lease == Token{}, Promise::kOneLease,
         absl::StrCat(what, " is given while ", static_cast<uint64_t>(task.lease), " lives"));
  const auto given = leases_.find(token);
  Expect(given == leases_.end() || !given->second.released, Promise::kGivenOnce,
         absl::StrCat(what, " has a token that was given before"));
  Expect(number > live_.last_token && number > last_token_of_earlier_runs_, Promise::kOneLease,
         absl::StrCat(what, " has an old token"));
  CheckDue(task, what);
  // It need not have said anything while it held nothing: its time begins now.
  int64_t& heard_at_ms = heard_at_ms_[row.worker_id];
  if (heard_at_ms < ListenedMs() && !HoldsLease(row.worker_id)) heard_at_ms = ListenedMs();
  const auto stream = streams_.find(row.worker_id);
  leases_[token] =
      Lease{.task = id,
            .worker = row.worker_id,
            .lease_ms = row.lease_ms,
            .until_ms = ListenedMs() + row.lease_ms,
            .promised_until_ms = ListenedMs() + row.lease_ms,
            .told_started_at_ms = row.worker_id.empty() ? row.granted_at_ms : INT64_MAX,
            // Perhaps on the stream before, and then unknown to a worker that comes back.
            .not_named = stream != streams_.end() && attaching_.contains(stream->second)};
  granted_.push_back(id);
  left_from_[task.row.spec.queue].Add(task.row);
  ++counts_.leases;
}

void Oracle::CheckFinished(const engine::FinishedRow& row, const std::string& result) {
  const Ledger::Task& task = Unfinished(row.id, "outcome");
  const std::string id = row.id.ToString();
  const engine::TaskSpec& spec = task.row.spec;
  trace_.Note("ended", row.id, {static_cast<uint64_t>(row.state)});
  left_from_[spec.queue].Add(task.row);
  ++counts_.ended[row.state];
  std::string details;
  Expect(row.attempts <= task.spent + 1 && row.attempts <= spec.max_attempts,
         Promise::kNoUndueBlame, absl::StrCat(id, " ends with ", row.attempts, " attempts"));
  Expect(row.payload_bytes == spec.payload_bytes, Promise::kNeverLost,
         absl::StrCat(id, " ends with a payload of ", row.payload_bytes, " bytes"));
  switch (row.state) {
    case TaskState::kSucceeded:
      Expect(task.lease != Token{} && result == ResultOf(row.id, task.lease), Promise::kOneLease,
             absl::StrCat(id, " ends with '", result, "', its lease is ",
                          static_cast<uint64_t>(task.lease)));
      Expect(row.attempts == task.spent + 1, Promise::kNoUndueBlame,
             absl::StrCat(id, " succeeds in attempt ", row.attempts, " after ", task.spent));
      AttemptEnded(spec.queue, Ended::How::kSucceeded);
      break;
    case TaskState::kCancelled:
      Expect(cancel_asked_.contains(row.id) || PurgeAsked(spec.queue) ||
                 JobAsked(engine::JobAction::kCancelTasks, spec.queue, spec.type, task.row.order),
             Promise::kNeverLost, absl::StrCat(id, " is cancelled though nobody asked"));
      break;
    case TaskState::kExpired:
      Expect((spec.deadline_at_ms > 0 && Moment(spec.deadline_at_ms) <= NowMs()) ||
                 (spec.deadline_in_ms > 0 &&
                  task.row.submitted_at_ms + spec.deadline_in_ms <= NowMs()),
             Promise::kNeverLost, absl::StrCat(id, " expires before its deadline"));
      break;
    default:
      if (row.state == TaskState::kFailed && row.error.type == kNoWorkerError) {
        CheckUnserved(task, row.attempts);
        ++counts_.unserved;
        break;
      }
      Expect(row.state == TaskState::kFailed && task.lease != Token{}, Promise::kNeverLost,
             absl::StrCat(id, " fails without an attempt"));
      CheckLeaseOver(task, /*attempt_spent=*/true);
      AttemptEnded(spec.queue, Ended::How::kFailed);
      if (row.error.message == kReportedError && row.error.exit_code) {
        details = ResultOf(row.id, task.lease);
      }
  }
  Expect(row.state == TaskState::kSucceeded || result == details, Promise::kNeverLost,
         absl::StrCat(id, " ends with the details '", result, "', not '", details, "'"));
  Expect(row.state == TaskState::kSucceeded || !row.error.type.empty(), Promise::kBounded,
         absl::StrCat(id, " ends without a result or an error"));
}

bool Oracle::PurgeAsked(const std::string& queue) const {
  return std::any_of(purged_.begin(), purged_.end(),
                     [&](const auto& purge) { return purge.second == queue; });
}

void Oracle::CheckKey(const engine::KeyRow& row) {
  const auto known = live_.keys.find({row.queue, row.key});
  if (known == live_.keys.end() || known->second.task == row.task) return;
  const Ledger::Task* first = live_.Find(known->second.task);
  const bool in_force =
      first != nullptr && (!first->finished || known->second.expires_at_ms > NowMs());
  Expect(!in_force, Promise::kSafeToRepeat,
         absl::StrCat("key ", row.key, " makes ", row.task.ToString(), " a second task after ",
                      known->second.task.ToString()));
}

}  // namespace treadle::sim
