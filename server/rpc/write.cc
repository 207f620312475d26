#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "proto/support/limits.h"
#include "proto/wire/status.h"
#include "server/broker/body.h"
#include "server/engine/letter_fingerprint.h"
#include "server/rpc/convert.h"

// From the engine's values to messages.

namespace treadle::rpc {

namespace {

constexpr char kOtherGroup[] = "other";

void AppendTo(std::string& bytes, std::string_view more) { bytes.append(more.data(), more.size()); }

}  // namespace

std::string WriteGroup(uint64_t fingerprint) {
  if (fingerprint == engine::kOtherLetters) return kOtherGroup;
  return absl::StrCat(absl::Hex(fingerprint, absl::kZeroPad16));
}

absl::StatusOr<uint64_t> ReadGroup(const std::string& group) {
  uint64_t fingerprint = 0;
  if (group == kOtherGroup) return engine::kOtherLetters;
  if (group.size() == 16 && absl::SimpleHexAtoi(group, &fingerprint)) return fingerprint;
  return absl::InvalidArgumentError(
      "group: is none; use one that ListDeadLetterGroups shows: 16 hexadecimal digits, or 'other'");
}

absl::Status UnknownTaskError(TaskId task) {
  return absl::NotFoundError(absl::StrCat(
      "task_id: task ", task.ToString(),
      " is not known; check the id (outcomes are dropped when their result_ttl_ms is over)"));
}

v1::Durability AckLevel(engine::Durability reached, bool disk) {
  return disk ? static_cast<v1::Durability>(reached) : v1::DURABILITY_MEMORY;
}

// What a message says of its payload besides the bytes.
template <typename Message>
void WriteDescription(const broker::Body& body, Message* out) {
  if (!body.content_type.empty()) out->set_content_type(body.content_type);
  for (const auto& [key, value] : body.headers) (*out->mutable_headers())[key] = value;
}

void WriteSpec(const broker::LeasedRun& run, uint32_t index, int64_t now_ms, v1::LeasedTask* out) {
  const engine::Lease& lease = run.lease;
  out->set_task_id(TaskId{lease.task.session, lease.task.sequence + index}.ToString());
  out->set_token(static_cast<uint64_t>(lease.token) + index);
  out->set_queue(*lease.queue);
  out->set_type(*lease.type);
  if (run.payload.body != nullptr) WriteDescription(*run.payload.body, out);
  out->set_attempt(lease.attempt);
  out->set_max_attempts(lease.max_attempts);
  out->set_attempt_timeout_ms(lease.attempt_timeout_ms);
  if (lease.deadline_at_ms != 0) {
    out->set_deadline_in_ms(std::max<int64_t>(1, lease.deadline_at_ms - now_ms));
  }
  out->set_pool(lease.pool);
  out->set_lease_ms(lease.lease_ms);
  out->set_confirm_start(lease.confirm_start);
  out->set_priority(lease.priority);
}

void Write(const broker::BodyPart& payload, v1::GetPayloadResponse* out) {
  out->set_payload(std::string(broker::BytesIn(payload)));
  WriteDescription(*payload.body, out);
}

void Write(const broker::BodyPart& payload, v1::GetDeadLetterResponse* out) {
  out->set_payload(std::string(broker::BytesIn(payload)));
  WriteDescription(*payload.body, out);
}

void Write(const broker::LeasedRun& run, int64_t now_ms, v1::LeasedTask* out) {
  WriteSpec(run, 0, now_ms, out);
  if (run.payload.body != nullptr) out->set_payload(std::string(broker::BytesIn(run.payload)));
}

// Names are compared as what they are shared as.
bool Continues(const broker::LeasedRun& run, const broker::LeasedRun& before) {
  const engine::Lease& a = before.lease;
  const engine::Lease& b = run.lease;
  if (b.task != TaskId{a.task.session, a.task.sequence + a.tasks} ||
      static_cast<uint64_t>(b.token) != static_cast<uint64_t>(a.token) + a.tasks ||
      b.queue != a.queue || b.type != a.type || b.attempt != a.attempt ||
      b.max_attempts != a.max_attempts || b.priority != a.priority || b.pool != a.pool ||
      b.attempt_timeout_ms != a.attempt_timeout_ms || b.deadline_at_ms != a.deadline_at_ms ||
      b.lease_ms != a.lease_ms || b.confirm_start != a.confirm_start) {
    return false;
  }
  const broker::Body* const body = run.payload.body.get();
  const broker::Body* const last = before.payload.body.get();
  if (body == last) return true;
  return body != nullptr && last != nullptr && body->content_type == last->content_type &&
         body->headers == last->headers;
}

int64_t PayloadBytes(const broker::LeasedRun& run, uint32_t index) {
  return static_cast<int64_t>(run.lease.tasks == 1 ? run.payload.bytes
                                                   : run.lease.payload_sizes[index]);
}

int64_t BytesBesidesPayload(const broker::LeasedRun& run) {
  const auto names = static_cast<int64_t>(run.lease.queue->size() + run.lease.type->size());
  if (run.payload.body == nullptr) return names;
  return names + broker::BytesOf(run.payload) - static_cast<int64_t>(run.payload.bytes);
}

void AppendPayloads(const broker::LeasedRun& run, uint32_t first, uint32_t end,
                    v1::LeasedRun* out) {
  if (run.lease.tasks == 1) {
    out->add_payload_sizes(static_cast<uint32_t>(run.payload.bytes));
    if (run.payload.body != nullptr) {
      AppendTo(*out->mutable_payloads(), broker::BytesIn(run.payload));
    }
    return;
  }
  const std::vector<uint32_t>& sizes = run.lease.payload_sizes;
  out->mutable_payload_sizes()->Add(sizes.begin() + first, sizes.begin() + end);
  const uint64_t begin = std::accumulate(sizes.begin(), sizes.begin() + first, uint64_t{0});
  const uint64_t bytes = std::accumulate(sizes.begin() + first, sizes.begin() + end, uint64_t{0});
  AppendTo(*out->mutable_payloads(), broker::BytesIn(run.payload).substr(begin, bytes));
}

void Write(const broker::OutcomeReady& outcome, v1::Outcome* out) {
  const engine::FinishedRow& row = *outcome.row;
  out->set_task_id(row.id.ToString());
  out->set_state(static_cast<v1::TaskState>(row.state));
  const broker::Body* const body = row.body.body.get();
  if (row.state != engine::TaskState::kSucceeded) {
    v1::TaskError& error = *out->mutable_error();
    Write(row.error, &error);
    if (body != nullptr) {
      error.set_details(std::string(broker::BytesIn(row.body)));
      error.set_details_type(body->content_type);
    }
  } else if (body != nullptr) {
    out->set_result(std::string(broker::BytesIn(row.body)));
    if (!body->content_type.empty()) out->set_content_type(body->content_type);
  }
  out->set_attempts(row.attempts);
  out->set_finished_at_ms(row.finished_at_ms);
}

void Write(const engine::TaskError& error, v1::TaskError* out) {
  out->set_type(error.type);
  out->set_message(error.message);
  out->set_worker(error.worker);
  out->set_attempt(error.attempt);
  out->set_permanent(error.permanent);
  if (error.exit_code) out->set_exit_code(*error.exit_code);
  if (error.signal) out->set_signal(*error.signal);
  if (error.retry_after_ms) out->set_retry_after_ms(*error.retry_after_ms);
}

void Write(const broker::ProgressState& progress, v1::Progress* out) {
  out->set_fraction(progress.fraction);
  out->set_message(progress.message);
}

void Write(const engine::TaskView& view, const broker::ProgressState* progress, v1::Task* out) {
  out->set_task_id(view.id.ToString());
  out->set_queue(*view.queue);
  out->set_type(*view.type);
  out->set_state(static_cast<v1::TaskState>(view.state));
  out->set_priority(view.priority);
  out->set_attempts(view.attempts);
  out->set_max_attempts(view.max_attempts);
  out->set_submitted_at_ms(view.submitted_at_ms);
  out->set_run_at_ms(view.run_at_ms);
  out->set_deadline_at_ms(view.deadline_at_ms);
  out->set_payload_bytes(view.payload_bytes);
  out->set_worker(view.worker);
  out->set_leased_at_ms(view.leased_at_ms);
  out->set_started_at_ms(view.started_at_ms);
  out->set_cancel_requested(view.cancel_requested);
  out->set_cancel_reason(view.cancel_reason);
  out->set_stop_reason(static_cast<v1::StopReason>(view.stop));
  out->set_request_key(view.request_key);
  if (!view.failed.empty()) Write(view.failed.back().error, out->mutable_last_error());
  if (progress != nullptr && (progress->fraction >= 0 || !progress->message.empty())) {
    Write(*progress, out->mutable_progress());
  }
}

void Write(const engine::FinishedRow& row, v1::Task* out) {
  out->set_task_id(row.id.ToString());
  out->set_queue(*row.queue);
  out->set_type(*row.type);
  out->set_state(static_cast<v1::TaskState>(row.state));
  out->set_priority(row.priority);
  out->set_attempts(row.attempts);
  out->set_max_attempts(row.max_attempts);
  out->set_submitted_at_ms(row.submitted_at_ms);
  out->set_deadline_at_ms(row.deadline_at_ms);
  out->set_finished_at_ms(row.finished_at_ms);
  out->set_payload_bytes(row.payload_bytes);
  out->set_request_key(row.request_key);
  if (row.worker != nullptr) out->set_worker(*row.worker);
  out->set_leased_at_ms(row.leased_at_ms);
  out->set_started_at_ms(row.started_at_ms);
  if (row.error != engine::TaskError()) Write(row.error, out->mutable_last_error());
  out->set_expires_at_ms(row.expires_at_ms);
}

void Write(const std::vector<engine::FailedAttempt>& failed, v1::Task* out) {
  for (const engine::FailedAttempt& attempt : failed) {
    v1::FailedAttempt& one = *out->add_failed_attempts();
    Write(attempt.error, one.mutable_error());
    one.set_runnable_at_ms(attempt.runnable_at_ms);
    one.set_leased_at_ms(attempt.leased_at_ms);
    one.set_started_at_ms(attempt.started_at_ms);
    one.set_ended_at_ms(attempt.ended_at_ms);
  }
}

void Write(const engine::DeadLetterRow& row, v1::DeadLetter* out) {
  v1::Task& task = *out->mutable_task();
  task.set_task_id(row.id.ToString());
  task.set_queue(*row.queue);
  task.set_type(*row.type);
  task.set_state(v1::TASK_STATE_FAILED);
  task.set_priority(row.priority);
  task.set_attempts(row.attempts);
  task.set_max_attempts(row.max_attempts);
  task.set_submitted_at_ms(row.submitted_at_ms);
  task.set_deadline_at_ms(row.deadline_at_ms);
  task.set_finished_at_ms(row.finished_at_ms);
  task.set_payload_bytes(row.payload_bytes);
  task.set_request_key(row.request_key);
  task.set_dead_letter(true);
  if (!row.failed.empty()) {
    const engine::FailedAttempt& last = row.failed.back();
    task.set_worker(last.error.worker);
    task.set_leased_at_ms(last.leased_at_ms);
    task.set_started_at_ms(last.started_at_ms);
  }
  Write(row.error, task.mutable_last_error());
  Write(row.failed, &task);
  out->set_group(WriteGroup(row.group));
  out->set_bytes(row.bytes);
}

void Write(const engine::LetterGroupView& view, v1::DeadLetterGroup* out) {
  const engine::LetterGroup& group = view.group;
  out->set_queue(*view.queue);
  out->set_group(WriteGroup(view.fingerprint));
  if (group.type != nullptr) out->set_type(*group.type);
  out->set_error_type(group.error_type);
  out->set_error_message(group.error_message);
  out->set_count(group.count);
  out->set_bytes(group.bytes);
  out->set_first_at_ms(group.first_at_ms);
  out->set_last_at_ms(group.last_at_ms);
  out->set_last_task_id(group.last.ToString());
}

void Write(const engine::QueueView& view, v1::Queue* out) {
  v1::QueueConfig& config = *out->mutable_config();
  config.set_name(view.config.name);
  config.set_discipline(static_cast<v1::Discipline>(view.config.discipline));
  config.set_max_tasks(view.config.max_tasks);
  config.set_max_bytes(view.config.max_bytes);
  v1::DeadLetterPolicy& letters = *config.mutable_dead_letters();
  letters.set_max_tasks(view.config.dead_letters.max_tasks);
  letters.set_max_bytes(view.config.dead_letters.max_bytes);
  letters.set_ttl_ms(view.config.dead_letters.ttl_ms);
  if (const engine::CircuitBreaker& breaker = view.config.breaker; breaker.failure_percent > 0) {
    v1::CircuitBreaker& shown = *config.mutable_circuit_breaker();
    shown.set_failure_percent(breaker.failure_percent);
    shown.set_min_attempts(breaker.min_attempts);
    shown.set_window_ms(breaker.window_ms);
    shown.set_resume_after_ms(breaker.resume_after_ms);
  }
  config.set_fail_unserved_after_ms(view.config.fail_unserved_after_ms);
  out->set_paused(view.pause.since_ms != 0);
  out->set_paused_at_ms(view.pause.since_ms);
  out->set_pause_reason(view.pause.reason);
  out->set_circuit_open(view.pause.by_breaker);
  out->set_resume_at_ms(view.resume_at_ms);
  out->set_closed(view.closed);
  out->set_version(view.version);
  out->set_created_at_ms(view.created_at_ms);
  v1::QueueStats& stats = *out->mutable_stats();
  stats.set_scheduled(view.scheduled);
  stats.set_queued(view.queued);
  stats.set_running(view.running);
  stats.set_waiting_bytes(view.waiting_bytes);
  stats.set_waiting_submitters(view.waiting_submitters);
  stats.set_oldest_age_ms(view.oldest_age_ms);
  stats.set_submitted_total(view.submitted_total);
  stats.set_succeeded_total(view.succeeded_total);
  stats.set_failed_total(view.failed_total);
  stats.set_cancelled_total(view.cancelled_total);
  stats.set_expired_total(view.expired_total);
  stats.set_retried_total(view.retried_total);
  stats.set_dead_letters(view.dead_letters);
  stats.set_dead_letter_bytes(view.dead_letter_bytes);
  stats.set_submitted_per_second(view.submitted_per_second);
  stats.set_finished_per_second(view.finished_per_second);
}

void Write(const engine::WorkerView& view, v1::Worker* out) {
  out->set_worker_id(view.worker_id);
  out->set_name(view.name);
  out->set_peer(view.peer);
  out->set_connected(view.connected);
  out->set_draining(view.draining);
  for (const std::string& queue : view.queues) out->add_queues(queue);
  for (const engine::PoolView& pool : view.pools) {
    v1::WorkerPoolStats& stats = *out->add_pools();
    stats.set_name(pool.spec.name);
    stats.set_slots(pool.spec.slots);
    stats.set_free(pool.free);
    stats.set_leased(pool.leased);
    stats.set_running(pool.running);
    for (const std::string& type : pool.spec.types) stats.add_types(type);
  }
  out->set_attached_at_ms(view.attached_at_ms);
  out->set_lease_expires_at_ms(view.lease_expires_at_ms);
  out->set_succeeded_total(view.succeeded_total);
  out->set_failed_total(view.failed_total);
  out->mutable_labels()->insert(view.labels.begin(), view.labels.end());
  if (view.quarantine.has_value()) Write(*view.quarantine, out->mutable_quarantine());
}

void Write(const engine::Quarantine& quarantine, v1::WorkerQuarantine* out) {
  out->set_since_ms(quarantine.since_ms);
  out->set_failed(quarantine.failed);
  out->set_others_succeeded(quarantine.others_succeeded);
  out->set_queue(quarantine.queue);
  out->set_type(quarantine.type);
  Write(quarantine.error, out->mutable_error());
}

void Write(const engine::DrainView& view, v1::Drain* out) {
  out->set_drain_id(NumberText(view.id));
  out->set_worker(view.match.worker);
  out->mutable_labels()->insert(view.match.labels.begin(), view.match.labels.end());
  out->set_reason(view.reason);
  out->set_created_at_ms(view.created_at_ms);
  out->set_ends_at_ms(view.ends_at_ms);
  out->set_workers(view.workers);
  out->set_busy_workers(view.busy_workers);
}

void Write(const engine::ActionRow& row, v1::Action* out) {
  out->set_number(static_cast<int64_t>(row.number));
  out->set_at_ms(row.at_ms);
  out->set_kind(static_cast<v1::ActionKind>(row.kind));
  out->set_subject(row.subject);
  out->set_details(row.details);
  out->set_reason(row.reason);
  out->set_actor(row.actor.name);
  out->set_peer(row.actor.peer);
}

void Write(const engine::StopAttempt& stop, v1::StopNotice* out) {
  out->set_token(static_cast<uint64_t>(stop.token));
  out->set_reason(static_cast<v1::StopReason>(stop.reason));
}

void Write(const engine::ReportDone& done, v1::ReportResult* out) {
  out->set_token(static_cast<uint64_t>(done.token));
  wire::ToItem(done.status, out->mutable_status());
}

std::string WriteSecret(const engine::ResumeSecret& secret) {
  std::string bytes(limits::kResumeSecretBytes, '\0');
  std::memcpy(bytes.data(), &secret.high, sizeof(secret.high));
  std::memcpy(bytes.data() + sizeof(secret.high), &secret.low, sizeof(secret.low));
  return bytes;
}

void Write(engine::OutputPieceRow piece, v1::OutputRun* out) {
  out->set_first_offset(piece.first);
  out->set_attempt(piece.attempt);
  for (engine::OutputEntry& entry : piece.entries) {
    v1::OutputEntry& written = *out->add_entries();
    written.set_kind(static_cast<v1::OutputKind>(entry.kind));
    written.set_time_ms(entry.time_ms);
    written.set_data(std::move(entry.data));
    written.set_content_type(std::move(entry.content_type));
  }
}

}  // namespace treadle::rpc
