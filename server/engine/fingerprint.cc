#include "server/engine/fingerprint.h"

#include <bit>

#include "server/engine/hash.h"
#include "server/engine/retry.h"
#include "server/engine/views.h"

namespace treadle::engine {
namespace {

enum class Part : uint8_t {
  kCounters = 1,
  kQueue,
  kTask,
  kGrant,
  kSession,
  kReports,
  kLetterGroup,
  kLetterMove,
  kJob,
  kDrain,
};

template <typename T>
void AddOptional(StableHash& hash, const std::optional<T>& value) {
  hash.Add(value.has_value()).Add(value.value_or(0));
}

void AddError(StableHash& hash, const TaskError& error) {
  hash.Add(error.type).Add(error.message).Add(error.worker).Add(error.attempt).Add(error.permanent);
  AddOptional(hash, error.exit_code);
  AddOptional(hash, error.signal);
  AddOptional(hash, error.retry_after_ms);
}

void AddPolicy(StableHash& hash, const RetryPolicy& policy) {
  hash.Add(policy.initial_delay_ms)
      .Add(std::bit_cast<uint64_t>(policy.multiplier))
      .Add(policy.max_delay_ms)
      .Add(std::bit_cast<uint64_t>(policy.jitter))
      .Add(policy.no_retry_error_types.size());
  for (const std::string& type : policy.no_retry_error_types) hash.Add(type);
}

uint64_t HashOf(const MetaRow& counters) {
  return StableHash(static_cast<uint64_t>(Part::kCounters))
      .Add(counters.next_session)
      .Add(counters.next_token)
      .Add(counters.next_grant)
      .Add(counters.next_order)
      .Add(counters.next_letter)
      .Add(counters.actions)
      .value();
}

uint64_t HashOf(const Queue& queue) {
  return StableHash(static_cast<uint64_t>(Part::kQueue))
      .Add(*queue.name)
      .Add(queue.config.discipline)
      .Add(queue.config.max_tasks)
      .Add(queue.config.max_bytes)
      .Add(queue.config.dead_letters.max_tasks)
      .Add(queue.config.dead_letters.max_bytes)
      .Add(queue.config.dead_letters.ttl_ms)
      .Add(queue.config.breaker.failure_percent)
      .Add(queue.config.breaker.min_attempts)
      .Add(queue.config.breaker.window_ms)
      .Add(queue.config.breaker.resume_after_ms)
      .Add(queue.config.fail_unserved_after_ms)
      .Add(queue.pause.since_ms)
      .Add(queue.pause.until_ms)
      .Add(queue.pause.by_breaker)
      .Add(queue.pause.reason)
      .Add(queue.closed)
      .Add(queue.version)
      .Add(queue.created_at_ms)
      .value();
}

// Of one of the tasks that it stands for: however these are parted, their sum is the same.
uint64_t HashOf(const Task& task, uint32_t index) {
  const TaskId id{task.id.session, task.id.sequence + index};
  StableHash hash(static_cast<uint64_t>(Part::kTask));
  hash.Add(id.session)
      .Add(id.sequence)
      .Add(task.run == nullptr ? 0 : task.run->first.sequence)
      .Add(*task.queue().name)
      .Add(*task.line->type)
      .Add(task.order + index)
      .Add(task.submitted_at_ms)
      .Add(task.run_at_ms)
      .Add(task.run_at_is_date)
      .Add(task.deadline_at_ms)
      .Add(task.deadline_is_date)
      .Add(task.attempt_timeout_ms)
      .Add(task.result_ttl_ms)
      .Add(PayloadBytesOf(task, id))
      .Add(task.priority)
      .Add(task.max_attempts)
      .Add(task.durability)
      .Add(task.attempts_spent)
      .Add(task.last_token)
      .Add(task.losses)
      .Add(task.returns)
      .Add(task.cancel_requested)
      .Add(task.suspect);
  AddPolicy(hash, PolicyOrDefault(task.retry));
  static const TaskExtras kNone;
  const TaskExtras& extras = task.extras ? *task.extras : kNone;
  hash.Add(extras.request_key).Add(extras.digest.high).Add(extras.digest.low);
  for (const FailedAttempt& attempt : extras.failed) {
    AddError(hash, attempt.error);
    hash.Add(attempt.runnable_at_ms)
        .Add(attempt.leased_at_ms)
        .Add(attempt.started_at_ms)
        .Add(attempt.ended_at_ms);
  }
  hash.Add(extras.cancel_reason);
  hash.Add(task.lease == nullptr ? Token{} : task.lease->TokenOf(index));
  hash.Add(task.lease == nullptr ? 0 : task.lease->stored_lease_ms);
  return hash.value();
}

uint64_t HashOf(const Queue& queue, uint64_t fingerprint, const LetterGroup& group) {
  return StableHash(static_cast<uint64_t>(Part::kLetterGroup))
      .Add(*queue.name)
      .Add(fingerprint)
      .Add(group.type == nullptr ? std::string_view() : *group.type)
      .Add(group.error_type)
      .Add(group.error_message)
      .Add(group.count)
      .Add(group.bytes)
      .Add(group.first_at_ms)
      .Add(group.last_at_ms)
      .Add(group.last.session)
      .Add(group.last.sequence)
      .value();
}

uint64_t HashOf(TaskId id, const LetterMove& move) {
  return StableHash(static_cast<uint64_t>(Part::kLetterMove))
      .Add(id.session)
      .Add(id.sequence)
      .Add(*move.queue)
      .Add(move.letter)
      .Add(move.row.session)
      .Add(move.row.sequence)
      .Add(move.run == nullptr)
      .Add(move.row_bytes)
      .value();
}

uint64_t HashOf(const JobRow& job) {
  StableHash hash(static_cast<uint64_t>(Part::kJob));
  hash.Add(job.id)
      .Add(job.spec.action)
      .Add(job.spec.queue)
      .Add(job.spec.match.type)
      .Add(job.spec.match.group.has_value())
      .Add(job.spec.match.group.value_or(0))
      .Add(job.spec.states)
      .Add(job.spec.filter)
      .Add(job.spec.to.queue)
      .Add(job.spec.to.max_attempts)
      .Add(job.spec.dry_run)
      .Add(job.spec.tasks_per_second)
      .Add(job.spec.reason)
      .Add(job.state)
      .Add(job.started_at_ms)
      .Add(job.ended_at_ms)
      .Add(job.next)
      .Add(job.end)
      .Add(job.total)
      .Add(job.looked_at)
      .Add(job.done)
      .Add(job.refused);
  for (const JobRefusal& one : job.refusals) {
    hash.Add(one.task.session).Add(one.task.sequence).Add(one.code).Add(one.message);
  }
  return hash.value();
}

uint64_t HashOf(const DrainRow& drain) {
  StableHash hash(static_cast<uint64_t>(Part::kDrain));
  hash.Add(drain.id).Add(drain.match.worker);
  for (const auto& [key, value] : drain.match.labels) hash.Add(key).Add(value);
  return hash.Add(drain.reason).Add(drain.created_at_ms).Add(drain.until_ms).value();
}

uint64_t HashOf(const Grant& grant) {
  return StableHash(static_cast<uint64_t>(Part::kGrant))
      .Add(grant.id)
      .Add(grant.worker_id)
      .Add(*grant.worker_name)
      .Add(grant.first_token)
      .Add(grant.granted_at_ms)
      .Add(grant.lease_ms)
      .Add(grant.tokens)
      .Add(grant.live)
      .value();
}

uint64_t HashOf(const Session& session) {
  StableHash hash(static_cast<uint64_t>(Part::kSession));
  hash.Add(session.id).Add(session.floor).Add(session.secret.high).Add(session.secret.low);
  for (const auto& [first, last] : session.accepted.ranges()) hash.Add(first).Add(last);
  return hash.value();
}

uint64_t HashOf(const ReportsRow& row) {
  StableHash hash(static_cast<uint64_t>(Part::kReports));
  hash.Add(row.number);
  for (const AcceptedReport& report : row.reports) {
    hash.Add(report.token).Add(report.end);
  }
  return hash.value();
}

}  // namespace

uint64_t FingerprintOf(const State& state) {
  uint64_t sum = HashOf(state.counters);
  for (const auto& [name, queue] : state.queues.all()) {
    if (queue->declared) sum += HashOf(*queue);
    if (queue->letters == nullptr) continue;
    for (const auto& [fingerprint, group] : queue->letters->groups) {
      sum += HashOf(*queue, fingerprint, group);
    }
  }
  for (const auto& [id, move] : state.letter_moves) sum += HashOf(id, move);
  for (const auto& [id, job] : state.jobs.all) sum += HashOf(job.row);
  for (const auto& [id, drain] : state.drains) sum += HashOf(drain->row);
  state.tasks.ForEach([&](const Task& task) {
    for (uint32_t i = 0; i < task.count; ++i) sum += HashOf(task, i);
  });
  for (const auto& [first_token, grant] : state.grants.all()) sum += HashOf(grant);
  for (const auto& [id, session] : state.sessions.all()) sum += HashOf(*session);
  for (const ReportsRow& row : state.reports.rows()) sum += HashOf(row);
  return sum;
}

}  // namespace treadle::engine
