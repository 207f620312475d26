#include "server/engine/refusals.h"

#include <string>

#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/support/task_id.h"
#include "server/engine/discipline_name.h"

namespace treadle::engine::refusal {
namespace {

std::string Quoted(std::string_view name) { return absl::StrCat("'", std::string(name), "'"); }

std::string Named(Token token) { return absl::StrCat("token ", static_cast<uint64_t>(token)); }

// What is in the way, "queue 'mail' is full (10000 of 10000 tasks)", and the way out.
struct Fullness {
  std::string what;
  std::string advice;
};

Fullness FullnessOf(const Queue& queue, uint64_t payload_bytes) {
  const std::string name = absl::StrCat("queue ", Quoted(*queue.name));
  if (queue.waiting() >= queue.config.max_tasks) {
    return {absl::StrCat(name, " is full (", queue.waiting(), " of ", queue.config.max_tasks,
                         " tasks)"),
            "raise max_tasks, or add workers"};
  }
  if (!queue.Fits(payload_bytes)) {
    return {absl::StrCat(name, " is full (", queue.waiting_bytes, " of ", queue.config.max_bytes,
                         " bytes, and ", payload_bytes, " more do not fit)"),
            "raise max_bytes, or add workers"};
  }
  return {absl::StrCat(name, " has submitters (", queue.waiter_count, ") that wait for room"),
          "raise its bounds, or add workers"};
}

}  // namespace

absl::Status NoSuchQueue(std::string_view name) {
  return absl::NotFoundError(
      absl::StrCat("queue ", Quoted(name), " does not exist: check the name, or create it"));
}

absl::Status NoSuchQueueToSubmit(std::string_view name) {
  return absl::NotFoundError(
      absl::StrCat("queue ", Quoted(name),
                   " does not exist: create it, or start the server with --auto-create-queues"));
}

absl::Status QueueExistsOtherwise(const QueueConfig& existing) {
  return absl::AlreadyExistsError(absl::StrCat(
      "queue ", Quoted(existing.name), " exists with another configuration (discipline ",
      DisciplineName(existing.discipline), ", max_tasks ", existing.max_tasks, ", max_bytes ",
      existing.max_bytes, "): use it as it is, update its bounds, or delete it first"));
}

absl::Status TooManyQueues(int64_t queues_max) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "there are ", queues_max,
      " queues, the most this server allows (--queues-max): delete one first, or raise the bound"));
}

absl::Status TooLargeAShare(std::string_view what, std::string_view flag, int64_t max) {
  return absl::ResourceExhaustedError(
      absl::StrCat("this client has nearly all of the ", max, " ", std::string(what),
                   " that there may be (", std::string(flag),
                   "): the last tenth is kept for other clients; use fewer, or raise the bound"));
}

absl::Status TooManyNames(int64_t takers_bytes_max) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "the names of queues and types that workers and Lease calls wait for take ", takers_bytes_max,
      " bytes, the most this server allows (--worker-names-max): name fewer of them, or raise the "
      "bound"));
}

absl::Status BoundNotPositive(std::string_view field) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(field), " must be at least 1"));
}

absl::Status BoundNegative(std::string_view field) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(field), " must not be negative"));
}

absl::Status QueueInUse(const Queue& queue) {
  if (queue.unfinished() == 0 && queue.waiter_count == 0) {
    return absl::FailedPreconditionError(absl::StrCat("queue ", Quoted(*queue.name),
                                                      " keeps dead letters (", queue.letters->count,
                                                      "): redrive or delete them first"));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "queue ", Quoted(*queue.name), " has ", queue.unfinished(), " unfinished tasks and ",
      queue.waiter_count, " waiting submitters: purge it first, or wait until it is empty"));
}

absl::Status QueueHasChanged(const Queue& queue, int64_t version) {
  return absl::AbortedError(absl::StrCat("queue ", Quoted(*queue.name), " is at version ",
                                         queue.version, " and not at ", version,
                                         ": somebody has changed it since, look at it again"));
}

absl::Status NoSuchJob(uint64_t job) {
  return absl::NotFoundError(absl::StrCat("there is no job ", NumberText(job),
                                          "; check the id (the latest ", limits::kJobsKeptMax,
                                          " that have ended are kept)"));
}

absl::Status TooManyJobs(int64_t jobs_running_max) {
  return absl::ResourceExhaustedError(
      absl::StrCat(jobs_running_max, " jobs are running, as many as may: wait, or cancel one"));
}

absl::Status NoDeadLetter(TaskId task) {
  return absl::NotFoundError(
      absl::StrCat("task ", task.ToString(),
                   " is no dead letter; check the id (dead letters are dropped when their queue's "
                   "dead_letters.ttl_ms is over, or it has as many as it keeps, and when they are "
                   "redriven)"));
}

absl::Status PayloadLost(TaskId task) {
  return absl::DataLossError(
      absl::StrCat("task ", task.ToString(),
                   " is a dead letter whose payload is lost: the store is damaged; restore the "
                   "data directory from a backup, or delete the dead letter"));
}

absl::Status PriorityNotAllowed(const QueueConfig& config) {
  return absl::InvalidArgumentError(absl::StrCat(
      "priority must be 0: queue ", Quoted(config.name), " is ", DisciplineName(config.discipline),
      "; leave it out, or use a queue that was created with the discipline PRIORITY"));
}

absl::Status LargerThanQueue(const QueueConfig& config, uint64_t payload_bytes) {
  return absl::InvalidArgumentError(absl::StrCat(
      "payload of ", payload_bytes, " bytes is larger than all that queue ", Quoted(config.name),
      " may hold (max_bytes ", config.max_bytes, "): send less, or raise max_bytes"));
}

absl::Status TooManyTasks(int64_t unfinished_tasks_max) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "the server holds ", unfinished_tasks_max,
      " unfinished tasks, the most it allows (--unfinished-tasks-max): wait, add workers, or raise "
      "the bound"));
}

absl::Status TooManyTypes(const Queue& queue, int64_t types_per_queue_max) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "queue ", Quoted(*queue.name), " has unfinished tasks of ", types_per_queue_max,
      " types, the most it may: use fewer types and put what differs into the payload"));
}

absl::Status QueueClosed(const Queue& queue) {
  return absl::FailedPreconditionError(
      absl::StrCat("queue ", Quoted(*queue.name),
                   " is closed and takes no more tasks: open it again, or use another"));
}

absl::Status QueueFull(const Queue& queue, uint64_t payload_bytes) {
  const Fullness fullness = FullnessOf(queue, payload_bytes);
  return absl::ResourceExhaustedError(absl::StrCat(fullness.what, ": wait, ", fullness.advice));
}

absl::Status WaitedInVain(const Queue& queue, uint64_t payload_bytes, int64_t waited_ms) {
  const Fullness fullness = FullnessOf(queue, payload_bytes);
  return absl::ResourceExhaustedError(absl::StrCat(fullness.what, " and gave no room within ",
                                                   waited_ms, " ms: wait longer, ",
                                                   fullness.advice));
}

absl::Status TooManyWaiters(const Queue& queue) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "queue ", Quoted(*queue.name), " is full and ", queue.waiter_count,
      " submitters wait for room, the most it allows: try again later, or add workers"));
}

absl::Status KeyUsed(std::string_view queue, std::string_view key, TaskId task) {
  return absl::AlreadyExistsError(
      absl::StrCat("request_key ", Quoted(key), " was used in queue ", Quoted(queue),
                   " for a task with other content (task ", task.ToString(),
                   "): use a new key, or send the same task"));
}

absl::Status NoLongerWaiting(std::string_view why) {
  return absl::CancelledError(
      absl::StrCat("the submit was withdrawn while it waited for room: ", std::string(why)));
}

absl::Status NotInSession(TaskId task) {
  return absl::FailedPreconditionError(
      absl::StrCat("task ", task.ToString(),
                   " is not of this stream's session: open the session again and resend"));
}

absl::Status BelowFloor(uint64_t sequence, uint64_t floor) {
  return absl::InvalidArgumentError(
      absl::StrCat("sequence ", sequence, " is below ", floor,
                   ", up to which this session has acknowledged its answers: use a new sequence"));
}

absl::Status SequenceTooFar(uint64_t sequence, uint64_t newest, int64_t gap_max) {
  return absl::InvalidArgumentError(
      absl::StrCat("sequence ", sequence, " is more than ", gap_max, " above ", newest,
                   ", the session's newest: number submits 1, 2, 3, ... without gaps"));
}

absl::Status TooManyRanges(int64_t ranges_max) {
  return absl::ResourceExhaustedError(
      absl::StrCat("the session has more than ", ranges_max,
                   " gaps in its accepted sequences: send acknowledged_below"));
}

absl::Status NoSuchSession(uint64_t session) {
  return absl::NotFoundError(
      absl::StrCat("session ", session,
                   " is not known here, or no longer, or resume_secret is not the one that its "
                   "SessionOpened gave: open a new one with session_id 0"));
}

absl::Status TooManySessions(int64_t sessions_max) {
  return absl::ResourceExhaustedError(
      absl::StrCat("there are ", sessions_max,
                   " sessions, the most this server allows (--sessions-max): share one client "
                   "between threads, or "
                   "close clients that are no longer used"));
}

absl::Status SessionTakenOver(uint64_t session) {
  return absl::AbortedError(
      absl::StrCat("session ", session, " goes on over a newer stream of its client"));
}

absl::Status AlreadyOpened() {
  return absl::InvalidArgumentError("only a stream's first message may open it");
}

absl::Status AcknowledgedTooFar(uint64_t below, uint64_t newest) {
  return absl::InvalidArgumentError(
      absl::StrCat("acknowledged_below ", below, " is far above ", newest,
                   ", the session's newest accepted sequence: acknowledge only what was answered"));
}

absl::Status TooManyWorkers(int64_t workers_max) {
  return absl::ResourceExhaustedError(
      absl::StrCat("there are ", workers_max,
                   " workers, the most this server allows: use fewer processes with more slots"));
}

absl::Status TooManyPolls(int64_t polls_max) {
  return absl::ResourceExhaustedError(
      absl::StrCat("there are ", polls_max,
                   " Lease calls waiting, the most this server allows: try again later"));
}

absl::Status WorkerTakenOver(std::string_view worker_id) {
  return absl::AbortedError(
      absl::StrCat("worker ", Quoted(worker_id), " has attached again over a newer stream"));
}

absl::Status NoSuchDrain(uint64_t drain) {
  return absl::NotFoundError(absl::StrCat("there is no drain ", NumberText(drain),
                                          ": it was removed, or its time is over; ListDrains has "
                                          "those that stand"));
}

absl::Status TooManyDrains() {
  return absl::ResourceExhaustedError(
      absl::StrCat(limits::kDrainsMax,
                   " drains stand, as many as may: remove some, or use a pattern or a label"));
}

absl::Status NoSuchWorker(std::string_view worker) {
  return absl::NotFoundError(absl::StrCat("no worker has the id or name ", Quoted(worker),
                                          ": ListWorkers has those that are there"));
}

absl::Status NotInQuarantine(std::string_view worker) {
  return absl::FailedPreconditionError(absl::StrCat(
      "worker ", Quoted(worker), " is not in quarantine: there is nothing to release"));
}

absl::Status WorkerSilent(int64_t lease_ms) {
  return absl::DeadlineExceededError(absl::StrCat("nothing was heard on this stream for ", lease_ms,
                                                  " ms, so its leases have expired: attach again"));
}

absl::Status NoSuchPool(int32_t pool, size_t pools) {
  return absl::InvalidArgumentError(
      absl::StrCat("credits.pool ", pool, " names no pool: hello had ", pools, " of them"));
}

absl::Status BadCredit(int32_t tasks, int32_t credit_max) {
  return absl::InvalidArgumentError(
      absl::StrCat("credits.tasks is ", tasks, ": grant from 1 to ", credit_max));
}

absl::Status TooMuchCredit(int32_t pool, int64_t unused, int32_t credit_max) {
  return absl::InvalidArgumentError(absl::StrCat("credits.tasks would make ", unused,
                                                 " unused in pool ", pool, ": at most ", credit_max,
                                                 "; grant a slot once when it becomes free"));
}

absl::Status NotUnfinished(TaskId task) {
  return absl::NotFoundError(
      absl::StrCat("task ", task.ToString(), " is not known: check the id, or it has ended"));
}

absl::Status NeverGiven(Token token) {
  return absl::AbortedError(
      absl::StrCat(Named(token), " was never given: report with the token of the lease"));
}

absl::Status LeaseOver(Token token) {
  return absl::AbortedError(
      absl::StrCat("the lease of ", Named(token),
                   " is over (it expired, its attempt was reported otherwise before, or its task "
                   "ended): stop the work, and drop the report"));
}

absl::Status HeldByAnother(Token token) {
  return absl::AbortedError(
      absl::StrCat(Named(token), " is held by another worker: report only your own leases"));
}

absl::Status NotExtendable(Token token) {
  return absl::FailedPreconditionError(
      absl::StrCat("the lease of ", Named(token),
                   " belongs to an attached worker, whose heartbeats renew it: extend only leases "
                   "that a Lease call gave"));
}

}  // namespace treadle::engine::refusal
