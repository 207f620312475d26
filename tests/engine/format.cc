#include "tests/engine/format.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "proto/support/assert.h"
#include "tests/engine/single_tasks.h"

namespace treadle::engine {
namespace {

uint64_t Number(CallId call) { return static_cast<uint64_t>(call); }
uint64_t Number(Token token) { return static_cast<uint64_t>(token); }

// " name=value", or nothing for the default.
template <typename T>
std::string Field(const char* name, const T& value, const T& standard = T()) {
  return value == standard ? "" : absl::StrCat(" ", name, "=", value);
}
template <typename T>
std::string Optional(const char* name, const std::optional<T>& value) {
  return value ? absl::StrCat(" ", name, "=", *value) : "";
}
std::string Flag(const char* name, bool value) { return value ? absl::StrCat(" ", name) : ""; }

std::string FilterField(const search::Filter* filter) {
  return filter == nullptr ? "" : absl::StrCat(" filter='", filter->ToString(), "'");
}

std::string Format(const absl::Status& status) {
  if (status.ok()) return "OK";
  return absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
}

std::string Format(const TaskError& error) {
  if (error == TaskError()) return "";
  return absl::StrCat(" error=", error.type, Field("worker", error.worker),
                      Field("attempt", error.attempt), Flag("permanent", error.permanent),
                      Optional("exit_code", error.exit_code), Optional("signal", error.signal),
                      Optional("retry_after", error.retry_after_ms), " \"", error.message, "\"");
}

std::string Format(const std::vector<FailedAttempt>& failed) {
  std::string text;
  for (const FailedAttempt& attempt : failed) {
    absl::StrAppend(&text, "\n    failed: runnable=", attempt.runnable_at_ms,
                    " leased=", attempt.leased_at_ms, Field("started", attempt.started_at_ms),
                    " ended=", attempt.ended_at_ms, Format(attempt.error));
  }
  return text;
}

const char* NameOf(Durability durability) {
  switch (durability) {
    case Durability::kMemory:
      return "memory ";
    case Durability::kWritten:
      return "written";
    case Durability::kSynced:
      return "synced ";
  }
  return "?";
}

const char* NameOf(AttemptEnd end) {
  switch (end) {
    case AttemptEnd::kSucceeded:
      return "succeeded";
    case AttemptEnd::kFailed:
      return "failed";
    case AttemptEnd::kStopped:
      return "stopped";
    case AttemptEnd::kReleased:
      return "released";
  }
  return "?";
}

const char* NameOf(StopReason reason) {
  switch (reason) {
    case StopReason::kNone:
      return "none";
    case StopReason::kCancelled:
      return "cancelled";
    case StopReason::kAttemptTimeout:
      return "attempt-timeout";
    case StopReason::kDeadline:
      return "deadline";
    case StopReason::kLeaseLost:
      return "lease-lost";
  }
  return "?";
}

std::string Stop(StopReason reason) {
  return reason == StopReason::kNone ? "" : absl::StrCat(" stop=", NameOf(reason));
}

std::string Ids(const std::vector<TaskRange>& ranges) {
  std::vector<std::string> ids;
  for (const TaskRange& range : ranges) {
    for (uint32_t i = 0; i < range.count; ++i) ids.push_back(range.At(i).ToString());
  }
  return absl::StrJoin(ids, ",");
}

std::string Ranges(const std::vector<std::pair<uint64_t, uint64_t>>& ranges) {
  return absl::StrJoin(ranges, ",", [](std::string* out, const auto& range) {
    absl::StrAppend(out, range.first);
    if (range.second > range.first) absl::StrAppend(out, "..", range.second);
  });
}

std::string Format(const LetterGroup& group) {
  return absl::StrCat(group.type == nullptr ? " other" : absl::StrCat("/", *group.type),
                      " count=", group.count, " bytes=", group.bytes, " first=", group.first_at_ms,
                      " last=", group.last_at_ms, " ", group.last.ToString(),
                      Field("error", group.error_type), " \"", group.error_message, "\"");
}

std::string Format(const Pause& pause) {
  return absl::StrCat(Field("paused_at", pause.since_ms), Field("until", pause.until_ms),
                      Flag("by-breaker", pause.by_breaker), Field("because", pause.reason));
}

const char* NameOf(JobAction action) {
  switch (action) {
    case JobAction::kRedriveLetters:
      return "redrive";
    case JobAction::kDeleteLetters:
      return "delete";
    case JobAction::kCancelTasks:
      return "cancel";
  }
  return "?";
}

const char* NameOf(JobState state) {
  switch (state) {
    case JobState::kRunning:
      return "running";
    case JobState::kDone:
      return "done";
    case JobState::kCancelled:
      return "cancelled";
  }
  return "?";
}

std::string Format(const JobRow& row) {
  std::string text =
      absl::StrCat("job ", row.id, " ", NameOf(row.spec.action), " ", row.spec.queue,
                   Field("type", row.spec.match.type), Field("filter", row.spec.filter),
                   Field("into", row.spec.to.queue), Flag("dry-run", row.spec.dry_run), " ",
                   NameOf(row.state), " next=", row.next, " end=", row.end, " total=", row.total,
                   " looked_at=", row.looked_at, " done=", row.done, Field("refused", row.refused));
  for (const JobRefusal& one : row.refusals) {
    absl::StrAppend(&text, "\n    ", one.task.ToString(), " ", one.message);
  }
  return text;
}

std::string Format(const Labels& labels) {
  return absl::StrJoin(labels, ",", absl::PairFormatter("="));
}

struct RowFormat {
  static constexpr DeadLetterPolicy kLetters = {};
  static constexpr CircuitBreaker kBreaker = {};

  std::string operator()(const MetaRow& row) const {
    return absl::StrCat("meta next: session=", row.next_session, " token=", row.next_token,
                        " grant=", row.next_grant, " order=", row.next_order,
                        Field<uint64_t>("letter", row.next_letter, 1),
                        Field("actions", row.actions));
  }
  std::string operator()(const QueueRow& row) const {
    return absl::StrCat(
        "queue ", row.config.name, " ", NameOf(row.config.discipline),
        Field<int64_t>("max_tasks", row.config.max_tasks, 1'000'000),
        Field<int64_t>("max_bytes", row.config.max_bytes, int64_t{4} << 30),
        Field("dead_letters", row.config.dead_letters.max_tasks, kLetters.max_tasks),
        Field("dead_letter_bytes", row.config.dead_letters.max_bytes, kLetters.max_bytes),
        Field("dead_letter_ttl", row.config.dead_letters.ttl_ms, kLetters.ttl_ms),
        Field("breaker", row.config.breaker.failure_percent),
        Field("breaker_attempts", row.config.breaker.min_attempts, kBreaker.min_attempts),
        Field("breaker_window", row.config.breaker.window_ms, kBreaker.window_ms),
        Field("breaker_resume", row.config.breaker.resume_after_ms),
        Field("fail_unserved", row.config.fail_unserved_after_ms), Format(row.pause),
        Flag("closed", row.closed), Field<int64_t>("version", row.version, 1));
  }
  std::string operator()(const TaskRow& row) const {
    const TaskSpec& spec = row.spec;
    return absl::StrCat(
        "task ", row.id.ToString(), " ", spec.queue, "/", spec.type, " order=", row.order,
        Field("priority", spec.priority), Field("run_at", spec.run_at_ms),
        Field("delay", spec.delay_ms), Field("deadline_at", spec.deadline_at_ms),
        Field("deadline_in", spec.deadline_in_ms), Field("bytes", spec.payload_bytes),
        Field<int32_t>("max_attempts", spec.max_attempts, 3),
        Field<int64_t>("ttl", spec.result_ttl_ms, 3'600'000), Field("key", spec.request_key));
  }
  std::string operator()(const RunRow& row) const {
    return absl::StrCat("run ", row.id.ToString(), " finished=", Ranges(row.finished));
  }
  std::string operator()(const AttemptRow& row) const {
    return absl::StrCat("attempt ", row.id.ToString(), " spent=", row.attempts_spent,
                        " last_token=", Number(row.last_token), Field("run_at", row.run_at_ms),
                        Field("lease_ms", row.lease_ms), Field("losses", row.losses),
                        Field("returns", row.returns), Flag("cancel", row.cancel_requested),
                        Field("reason", row.cancel_reason), Flag("suspect", row.suspect),
                        Format(row.failed));
  }
  std::string operator()(const GrantRow& row) const {
    return absl::StrCat("grant ", static_cast<uint64_t>(row.grant), " to ",
                        row.worker_id.empty() ? "a poll" : row.worker_id,
                        " token=", Number(row.first_token), " lease_ms=", row.lease_ms, " ",
                        Ids(row.tasks));
  }
  std::string operator()(const FinishedRow& row) const {
    return absl::StrCat(
        "finished ", row.id.ToString(), " ", NameOf(row.state), " attempts=", row.attempts, "/",
        row.max_attempts, " expires_at=", row.expires_at_ms,
        row.drop_at_ms == row.expires_at_ms ? "" : absl::StrCat(" drop_at=", row.drop_at_ms),
        row.worker == nullptr ? ""
                              : absl::StrCat(" worker=", *row.worker, " leased=", row.leased_at_ms,
                                             Field("started", row.started_at_ms)),
        Field("key", row.request_key), Format(row.error),
        // A failed task's dead letter has them, too.
        row.state == TaskState::kFailed ? "" : Format(row.failed));
  }
  std::string operator()(const SessionRow& row) const {
    return absl::StrCat("session ", row.session, " floor=", row.floor,
                        " accepted=", Ranges(row.accepted), Field("secret", row.secret.low));
  }
  std::string operator()(const ReportsRow& row) const {
    return absl::StrCat("reports ", row.number,
                        absl::StrJoin(row.reports, "", [](std::string* out, const auto& report) {
                          absl::StrAppend(out, " ", Number(report.token), "/", NameOf(report.end));
                        }));
  }
  std::string operator()(const KeyRow& row) const {
    return absl::StrCat("key ", row.queue, "/", row.key, " of ", row.task.ToString(),
                        " expires_at=", row.expires_at_ms);
  }
  std::string operator()(const ClockRow&) const { return "clock"; }
  std::string operator()(const DeadLetterRow& row) const {
    return absl::StrCat("letter ", row.number, " of ", *row.queue, "/", *row.type, " ",
                        row.id.ToString(), " attempts=", row.attempts, "/", row.max_attempts,
                        " since=", row.dead_since_ms, " bytes=", row.bytes,
                        Field("key", row.request_key), Format(row.error), Format(row.failed));
  }
  std::string operator()(const DeadTaskRow& row) const {
    return absl::StrCat("dead ", (*this)(row.task), " letter=", row.letter);
  }
  std::string operator()(const LetterGroupRow& row) const {
    return absl::StrCat("letters of ", *row.queue, Format(row.group));
  }
  std::string operator()(const LetterMoveRow& row) const {
    return absl::StrCat("move ", row.id.ToString(), " to letter ", row.letter, " of ", *row.queue);
  }
  std::string operator()(const JobRow& row) const { return Format(row); }
  std::string operator()(const JobKey& key) const { return absl::StrCat("job ", key.id); }
  std::string operator()(const DrainRow& row) const {
    return absl::StrCat("drain ", row.id, Field("worker", row.match.worker),
                        Field("labels", Format(row.match.labels)), Field("because", row.reason),
                        Field("until", row.until_ms));
  }
  std::string operator()(const DrainKey& key) const { return absl::StrCat("drain ", key.id); }
  std::string operator()(const ActionRow& row) const {
    return absl::StrCat("action ", row.number, " ", NameOf(row.kind), " ", row.subject, " by ",
                        row.actor.name, Field("because", row.reason), ": ", row.details);
  }
  std::string operator()(const ActionKey& key) const { return absl::StrCat("action ", key.number); }
  std::string operator()(const OutputRow& row) const {
    return absl::StrCat("output of ", row.task.ToString(), " next=", row.next);
  }
  std::string operator()(const OutputKey& key) const {
    return absl::StrCat("output of ", key.task.ToString());
  }
  std::string operator()(const OutputPieceRow& row) const {
    return absl::StrCat("output of ", row.task.ToString(), " from ", row.first);
  }
  std::string operator()(const OutputPieceKey& key) const {
    return absl::StrCat("output of ", key.task.ToString(), " from ", key.first);
  }
  std::string operator()(const OutputExpiryRow& row) const {
    return absl::StrCat("output of ", row.task.ToString(), " until ", row.at_ms);
  }
  std::string operator()(const OutputExpiryKey& key) const {
    return absl::StrCat("output of ", key.task.ToString(), " until ", key.at_ms);
  }
  std::string operator()(const QueueKey& key) const { return "queue " + key.name; }
  std::string operator()(const TaskKey& key) const { return "task " + key.id.ToString(); }
  std::string operator()(const RunKey& key) const { return "run " + key.id.ToString(); }
  std::string operator()(const AttemptKey& key) const { return "attempt " + key.id.ToString(); }
  std::string operator()(const GrantKey& key) const {
    return absl::StrCat("grant ", static_cast<uint64_t>(key.grant));
  }
  std::string operator()(const SessionKey& key) const {
    return absl::StrCat("session ", key.session);
  }
  std::string operator()(const ReportsKey& key) const {
    return absl::StrCat("reports ", key.number);
  }
  std::string operator()(const DeadLetterKey& key) const {
    return absl::StrCat("letter ", key.number, " of ", *key.queue);
  }
  std::string operator()(const DeadTaskKey& key) const { return "dead task " + key.id.ToString(); }
  std::string operator()(const LetterGroupKey& key) const {
    return absl::StrCat("letters of ", *key.queue);
  }
  std::string operator()(const LetterMoveKey& key) const { return "move " + key.id.ToString(); }
};

std::string Format(const Lease& lease) {
  return absl::StrCat("\n    ", lease.task.ToString(), " ", *lease.queue, "/", *lease.type,
                      " token=", Number(lease.token), " attempt=", lease.attempt, "/",
                      lease.max_attempts, Field("pool", lease.pool),
                      Field("priority", lease.priority), Field("timeout", lease.attempt_timeout_ms),
                      Field("deadline_at", lease.deadline_at_ms), Field("lease_ms", lease.lease_ms),
                      Flag("confirm_start", lease.confirm_start));
}

struct EventFormat {
  std::string operator()(const QueueChanged& event) const {
    return absl::StrCat(Call(event), "queue-changed ", event.name, " ", Format(event.status),
                        Field("cancelled", event.cancelled_tasks));
  }
  std::string operator()(const SessionOpened& event) const {
    return absl::StrCat(Call(event), "session-opened ", event.session,
                        Flag("resumed", event.resumed), Field("secret", event.secret.low), " ",
                        Format(event.status));
  }
  std::string operator()(const Submitted& event) const {
    return absl::StrCat(Call(event), "submitted #", event.item, " ", event.id.ToString(), " ",
                        Format(event.status), Flag("existing", event.existing));
  }
  std::string operator()(const CancelDone& event) const {
    return absl::StrCat(Call(event), "cancel-done ", event.task.ToString(), " ",
                        Format(event.status));
  }
  std::string operator()(const WorkerAttached& event) const {
    std::string revoked;
    for (const Token token : event.revoked_tokens) {
      absl::StrAppend(&revoked, " revoked=", Number(token));
    }
    return absl::StrCat(Call(event), "attached ", Format(event.status), revoked);
  }
  std::string operator()(const DrainAsked& event) const {
    return absl::StrCat(Call(event), "drain-asked");
  }
  std::string operator()(const DrainChanged& event) const {
    return absl::StrCat(Call(event), "drain-changed ", event.drain, " ", Format(event.status));
  }
  std::string operator()(const WorkersReleased& event) const {
    return absl::StrCat(Call(event), "workers-released ", event.workers, " ", Format(event.status));
  }
  std::string operator()(const QuarantineNews& event) const {
    return absl::StrCat(event.needed ? "needed " : "quarantined ", event.worker_id, " '",
                        *event.worker, "'", Format(event.quarantine));
  }
  std::string operator()(const Dispatched& event) const {
    std::string text = absl::StrCat(Call(event), "dispatched ", event.leases.size(),
                                    Field("waited_ms", event.waited_ms));
    for (const Lease& lease : event.leases) text += Format(lease);
    return text;
  }
  std::string operator()(const StopAttempt& event) const {
    return absl::StrCat(Call(event), "stop token=", Number(event.token), " ", NameOf(event.reason));
  }
  std::string operator()(const ReportDone& event) const {
    return absl::StrCat(Call(event), "report-done token=", Number(event.token), " ",
                        Format(event.status));
  }
  std::string operator()(const ReportsHandled& event) const {
    return absl::StrCat(Call(event), "reports-handled ", event.sequence);
  }
  std::string operator()(const LeaseExtended& event) const {
    return absl::StrCat(Call(event), "extended token=", Number(event.token), " ",
                        Format(event.status), Field("lease_ms", event.lease_ms), Stop(event.stop));
  }
  std::string operator()(const TaskFinished& event) const {
    return absl::StrCat("ended ", event.row->id.ToString(), " ", NameOf(event.row->state));
  }
  std::string operator()(const TaskChanged& event) const {
    return absl::StrCat("changed ", event.task.ToString());
  }
  std::string operator()(const CompactionDue& event) const {
    return absl::StrCat("compaction-due ", event.run.ToString());
  }
  std::string operator()(const LetterMovesDue& event) const {
    return absl::StrCat("moves-due ",
                        absl::StrJoin(event.moves, ",", [](std::string* out, const auto& move) {
                          absl::StrAppend(out, move.task.ToString());
                        }));
  }
  std::string operator()(const LettersWanted& event) const {
    return absl::StrCat("letters-wanted ",
                        absl::StrJoin(event.wanted, ",",
                                      [](std::string* out, const auto& wanted) {
                                        absl::StrAppend(out, wanted.task.ToString());
                                      }),
                        Flag("with-tasks", event.with_tasks));
  }
  std::string operator()(const LettersTaken& event) const {
    std::string text = absl::StrCat(Call(event), "letters-taken");
    for (const LettersTaken::Taken& taken : event.letters) {
      absl::StrAppend(&text, "\n    ", Format(taken.status));
      if (taken.redriven_as != TaskId()) {
        absl::StrAppend(&text, " as ", taken.redriven_as.ToString());
      }
    }
    return text;
  }
  std::string operator()(const JobChanged& event) const {
    return absl::StrCat(Call(event), "job-changed ", event.job, " ", Format(event.status));
  }
  std::string operator()(const JobLettersWanted& event) const {
    return absl::StrCat("job-letters-wanted ", event.job, " of ", event.queue, " from ", event.from,
                        " before ", event.before, Field("type", event.match.type),
                        FilterField(event.filter.get()), Flag("with-tasks", event.with_tasks));
  }
  std::string operator()(const JobTasksWanted& event) const {
    const auto id = [](std::string* out, const JobTasksWanted::Candidate& one) {
      out->append(one.task.ToString());
    };
    return absl::StrCat("job-tasks-wanted ", event.job, FilterField(event.filter.get()), " ",
                        absl::StrJoin(event.candidates, ",", id));
  }
  std::string operator()(const SweepDue& event) const {
    return absl::StrCat("sweep-due ", event.queue, " from ", event.from);
  }
  std::string operator()(const EndCall& event) const {
    return absl::StrCat(Call(event), "end-call ", Format(event.status));
  }

  template <typename Event>
  static std::string Call(const Event& event) {
    return absl::StrCat("c", Number(event.call), " ");
  }
};

}  // namespace

const char* NameOf(TaskState state) {
  switch (state) {
    case TaskState::kScheduled:
      return "SCHEDULED";
    case TaskState::kQueued:
      return "QUEUED";
    case TaskState::kRunning:
      return "RUNNING";
    case TaskState::kSucceeded:
      return "SUCCEEDED";
    case TaskState::kFailed:
      return "FAILED";
    case TaskState::kCancelled:
      return "CANCELLED";
    case TaskState::kExpired:
      return "EXPIRED";
  }
  return "?";
}

const char* NameOf(Discipline discipline) {
  switch (discipline) {
    case Discipline::kFifo:
      return "FIFO";
    case Discipline::kLifo:
      return "LIFO";
    case Discipline::kPriority:
      return "PRIORITY";
  }
  return "?";
}

const char* NameOf(Reason reason) {
  switch (reason) {
    case Reason::kUnknown:
      return "unknown";
    case Reason::kStops:
      return "stops";
    case Reason::kRuns:
      return "runs";
    case Reason::kHolderAway:
      return "holder-away";
    case Reason::kHeld:
      return "held";
    case Reason::kNoRoom:
      return "no-room";
    case Reason::kDelayed:
      return "delayed";
    case Reason::kBacksOff:
      return "backs-off";
    case Reason::kPurged:
      return "purged";
    case Reason::kPaused:
      return "paused";
    case Reason::kNoWorker:
      return "no-worker";
    case Reason::kWorkersAway:
      return "workers-away";
    case Reason::kNoHandler:
      return "no-handler";
    case Reason::kWorkersDrain:
      return "workers-drain";
    case Reason::kBehind:
      return "behind";
    case Reason::kSlotsBusy:
      return "slots-busy";
    case Reason::kNext:
      return "next";
    case Reason::kCircuitOpen:
      return "circuit-open";
    case Reason::kQuarantined:
      return "quarantined";
  }
  return "?";
}

const char* NameOf(ActionKind kind) {
  switch (kind) {
    case ActionKind::kQueueCreated:
      return "queue-created";
    case ActionKind::kQueueUpdated:
      return "queue-updated";
    case ActionKind::kQueueClosed:
      return "queue-closed";
    case ActionKind::kQueueReopened:
      return "queue-reopened";
    case ActionKind::kQueueDeleted:
      return "queue-deleted";
    case ActionKind::kQueuePaused:
      return "queue-paused";
    case ActionKind::kQueueResumed:
      return "queue-resumed";
    case ActionKind::kQueuePurged:
      return "queue-purged";
    case ActionKind::kTaskCancelled:
      return "task-cancelled";
    case ActionKind::kLettersRedriven:
      return "letters-redriven";
    case ActionKind::kLettersDeleted:
      return "letters-deleted";
    case ActionKind::kJobStarted:
      return "job-started";
    case ActionKind::kJobCancelled:
      return "job-cancelled";
    case ActionKind::kDrainSet:
      return "drain-set";
    case ActionKind::kDrainRemoved:
      return "drain-removed";
    case ActionKind::kWorkerReleased:
      return "worker-released";
  }
  return "?";
}

std::string Format(const RowChange& change) {
  if (const Row* const row = std::get_if<Row>(&change)) {
    return absl::StrJoin(SingleTasks(*row), "\n", [](std::string* out, const Row& one) {
      absl::StrAppend(out, "+ ", std::visit(RowFormat(), one));
    });
  }
  return "- " + std::visit(RowFormat(), std::get<RowKey>(change));
}

std::string Format(const Output& output) {
  const auto* submitted = std::get_if<Submitted>(&output.event);
  if (submitted != nullptr && submitted->status.ok()) {
    // An answer states how safe its task is by then.
    TREADLE_ASSERT(submitted->durability == output.after);
  }
  const std::string head = absl::StrCat("> ", NameOf(output.after), " ");
  return absl::StrJoin(SingleTasks(output.event), "\n", [&](std::string* out, const Event& one) {
    absl::StrAppend(out, head, std::visit(EventFormat(), one));
  });
}

std::string Format(const TaskView& view) {
  return absl::StrCat(view.id.ToString(), " ", *view.queue, "/", *view.type, " ",
                      NameOf(view.state), " attempts=", view.attempts, "/", view.max_attempts,
                      Field("priority", view.priority), Field("run_at", view.run_at_ms),
                      Field("deadline_at", view.deadline_at_ms), Field("bytes", view.payload_bytes),
                      Field("worker", view.worker), Flag("cancel-requested", view.cancel_requested),
                      Field("reason", view.cancel_reason), Stop(view.stop),
                      Field("key", view.request_key),
                      view.failed.empty() ? "" : Format(view.failed.back().error));
}

std::string Format(const QueueView& view) {
  return absl::StrCat(
      view.config.name, " ", NameOf(view.config.discipline), Format(view.pause),
      Flag("closed", view.closed), " scheduled=", view.scheduled, " queued=", view.queued,
      " running=", view.running, Field("bytes", view.waiting_bytes),
      Field("waiting_submitters", view.waiting_submitters), Field("oldest_age", view.oldest_age_ms),
      Field("dead_letters", view.dead_letters), Field("dead_letter_bytes", view.dead_letter_bytes),
      "\n    totals:", Field("submitted", view.submitted_total),
      Field("succeeded", view.succeeded_total), Field("failed", view.failed_total),
      Field("cancelled", view.cancelled_total), Field("expired", view.expired_total),
      Field("retried", view.retried_total), " rates: ", view.submitted_per_second, "/s in, ",
      view.finished_per_second, "/s out");
}

namespace {

std::string NameOf(ReasonEnd end, int64_t until_ms) {
  switch (end) {
    case ReasonEnd::kByOthers:
      return "";
    case ReasonEnd::kByItself:
      return absl::StrCat(" until=", until_ms);
    case ReasonEnd::kAbout:
      return absl::StrCat(" until about ", until_ms);
    case ReasonEnd::kByOperator:
      return " for ever";
  }
  return "?";
}

}  // namespace

std::string Format(const ReasonView& view) {
  return absl::StrCat(NameOf(view.reason), " since=", view.since_ms,
                      NameOf(view.end, view.until_ms), Field("count", view.count),
                      Flag("at-least", view.at_least),
                      Field("workers", absl::StrJoin(view.workers, ",")), Field("said", view.said));
}

std::string Format(const std::vector<LostTime>& lost) {
  if (lost.empty()) return "nothing lost";
  return absl::StrJoin(lost, " ", [](std::string* out, const LostTime& one) {
    absl::StrAppend(out, NameOf(one.reason), "=", one.ms);
  });
}

std::string Format(const JobView& view) {
  return absl::StrCat(Format(view.row), Field("waits", view.waits_for));
}

std::string Format(const LetterGroupView& view) {
  return absl::StrCat(*view.queue, Format(view.group));
}

std::string Format(const DrainView& view) {
  return absl::StrCat(view.id, Field("worker", view.match.worker),
                      Field("labels", Format(view.match.labels)), Field("because", view.reason),
                      Field("ends_at", view.ends_at_ms), " workers=", view.workers,
                      " busy=", view.busy_workers);
}

std::string Format(const Quarantine& quarantine) {
  return absl::StrCat(" since=", quarantine.since_ms, " failed=", quarantine.failed,
                      " others_succeeded=", quarantine.others_succeeded, " last=", quarantine.queue,
                      "/", quarantine.type, Format(quarantine.error));
}

std::string Format(const WorkerView& view) {
  std::string text =
      absl::StrCat(view.worker_id, " '", view.name, "'", view.connected ? " connected" : " away",
                   Field("peer", view.peer), Field("labels", Format(view.labels)),
                   Flag("draining", view.draining), " queues=", absl::StrJoin(view.queues, ","),
                   " expires_at=", view.lease_expires_at_ms,
                   Field("succeeded", view.succeeded_total), Field("failed", view.failed_total));
  if (view.quarantine.has_value()) {
    absl::StrAppend(&text, "\n    quarantine", Format(*view.quarantine));
  }
  for (const PoolView& pool : view.pools) {
    absl::StrAppend(&text, "\n    pool ", pool.spec.name, " slots=", pool.spec.slots,
                    " free=", pool.free, " leased=", pool.leased, " running=", pool.running,
                    " types=", absl::StrJoin(pool.spec.types, ","));
  }
  return text;
}

}  // namespace treadle::engine
